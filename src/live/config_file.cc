#include "live/config_file.hh"

#include <fmt/format.h>

#include "base/errors.hh"
#include "base/fd.hh"
#include "base/units.hh"

namespace tl::live {

ConfigFile::ConfigFile(const std::filesystem::path& path) : name_{path.native()} {
  try {
    root_ = YAML::Load(read_file(path));
  } catch (const YAML::Exception& error) {
    throw UsageError{fmt::format("{}:{}: {}", name_, error.mark.line + 1, error.msg)};
  }
}

void ConfigFile::refuse(const YAML::Node& at, const std::string& why) const {
  throw UsageError{fmt::format("{}:{}: {}", name_, at.Mark().line + 1, why)};
}

void ConfigFile::read(const Settings& known) const {
  if (!root_.IsNull()) read_map(root_, known);
}

Setting ConfigFile::section(Settings known) const {
  return [this, known = std::move(known)](const YAML::Node& map) { read_map(map, known); };
}

void ConfigFile::read_map(const YAML::Node& map, const Settings& known) const {
  if (!map.IsMap()) refuse(map, "expected keys and values");
  for (const auto& entry : map) {
    const auto key = known.find(entry.first.Scalar());
    if (key == known.end()) {
      std::string names;
      for (const auto& [name, setting] : known) names += (names.empty() ? "" : ", ") + name;
      refuse(entry.first,
             fmt::format("unknown key '{}' (known here: {})", entry.first.Scalar(), names));
    }
    try {
      key->second(entry.second);
    } catch (const YAML::Exception&) {
      refuse(entry.second, fmt::format("{}: wrong kind of value", key->first));
    } catch (const UsageError& error) {
      if (std::string_view{error.what()}.starts_with(name_ + ":")) throw;
      refuse(entry.second, error.what());
    }
  }
}

Setting text_setting(std::string& to) {
  return [&to](const YAML::Node& value) { to = value.as<std::string>(); };
}

Setting flag_setting(bool& to) {
  return [&to](const YAML::Node& value) { to = value.as<bool>(); };
}

Setting duration_setting(std::chrono::milliseconds& to) {
  return [&to](const YAML::Node& value) {
    to = std::chrono::ceil<std::chrono::milliseconds>(parse_duration(value.as<std::string>()));
  };
}

}  // namespace tl::live
