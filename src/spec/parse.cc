#include "spec/parse.hh"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/errors.hh"
#include "base/fd.hh"
#include "spec/settings.hh"

namespace tl {
namespace {

constexpr std::string_view kOptionsPath = "traffic.options";

// Walks one file and remembers its name for messages.
class Reader {
 public:
  Reader(std::string file, Experiment base)
      : file_{std::move(file)}, experiment_{std::move(base)} {}

  Experiment read(const YAML::Node& root) {
    if (!root.IsNull()) read_map(root, "");
    return experiment_;
  }

  [[noreturn]] void refuse(const YAML::Mark& mark, const std::string& message) const {
    throw UsageError{fmt::format("{}:{}: {}", file_, mark.line + 1, message)};
  }

 private:
  void read_map(const YAML::Node& map, const std::string& section) {
    if (!map.IsMap())
      refuse(map.Mark(),
             fmt::format("{}: expected keys and values", section.empty() ? "file" : section));
    std::vector<std::string> seen;
    for (const auto& entry : map) {
      const YAML::Node key_node = entry.first;
      const YAML::Node value = entry.second;
      const std::string& key = key_node.Scalar();
      if (std::find(seen.begin(), seen.end(), key) != seen.end())
        refuse(key_node.Mark(), fmt::format("'{}' stands twice", key));
      seen.push_back(key);
      read_key(key_node, section.empty() ? key : section + "." + key, value);
    }
  }

  void read_key(const YAML::Node& key, const std::string& path, const YAML::Node& value) {
    if (path == kOptionsPath) return read_options(value);
    if (is_section(path)) return read_map(value, path);
    const auto table = settings();
    const auto setting =
        std::find_if(table.begin(), table.end(), [&](const Setting& s) { return s.path == path; });
    if (setting == table.end())
      refuse(key.Mark(), fmt::format("unknown key '{}' (known here: {})", path, siblings(path)));
    if (!value.IsScalar()) refuse(value.Mark(), fmt::format("{}: expected one value", path));
    try {
      setting->set(experiment_, value.Scalar());
    } catch (const UsageError& e) {
      refuse(value.Mark(), e.what());
    }
  }

  void read_options(const YAML::Node& value) {
    if (!value.IsSequence())
      refuse(value.Mark(), "traffic.options: expected a list of iperf3's options");
    experiment_.iperf_options.clear();
    for (const YAML::Node& word : value) {
      if (!word.IsScalar()) refuse(word.Mark(), "traffic.options: expected a list of words");
      experiment_.iperf_options.push_back(word.Scalar());
    }
  }

  static bool is_section(const std::string& path) {
    const auto table = settings();
    return std::any_of(table.begin(), table.end(),
                       [&](const Setting& s) { return s.path.starts_with(path + "."); });
  }

  // The keys that would have been right where `path` stands.
  static std::string siblings(const std::string& path) {
    const std::string prefix =
        path.substr(0, path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1);
    std::vector<std::string> names;
    const auto add = [&](std::string_view known) {
      if (!known.starts_with(prefix)) return;
      known.remove_prefix(prefix.size());
      const std::string name{known.substr(0, known.find('.'))};
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    for (const Setting& s : settings()) add(s.path);
    add(kOptionsPath);
    return fmt::format("{}", fmt::join(names, ", "));
  }

  std::string file_;
  Experiment experiment_;
};

}  // namespace

Experiment parse_experiment_text(const std::string& text, const std::string& file,
                                 const Experiment& base) {
  Reader reader{file, base};
  try {
    return reader.read(YAML::Load(text));
  } catch (const YAML::Exception& e) {
    reader.refuse(e.mark, e.msg);
  }
}

Experiment parse_experiment(const std::filesystem::path& file, const Experiment& base) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const MachineError& e) {
    throw UsageError{e.what()};
  }
  return parse_experiment_text(text, file.native(), base);
}

std::string write_experiment(const Experiment& experiment) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  std::string section;
  const auto close_section = [&] {
    if (section == "traffic") {
      out << YAML::Key << "options" << YAML::Value << YAML::Flow << YAML::BeginSeq;
      for (const std::string& word : experiment.iperf_options) out << YAML::DoubleQuoted << word;
      out << YAML::EndSeq;
    }
    if (!section.empty()) out << YAML::EndMap;
  };
  for (const Setting& setting : settings()) {
    const std::string path{setting.path};
    const std::size_t dot = path.find('.');
    const std::string wanted = dot == std::string::npos ? "" : path.substr(0, dot);
    if (wanted != section) {
      close_section();
      section = wanted;
      if (!section.empty()) out << YAML::Key << section << YAML::Value << YAML::BeginMap;
    }
    const std::string text = setting.get(experiment);
    out << YAML::Key << path.substr(dot == std::string::npos ? 0 : dot + 1) << YAML::Value;
    if (text.empty()) {
      out << YAML::DoubleQuoted;
    }
    out << text;
  }
  close_section();
  out << YAML::EndMap;
  return std::string{out.c_str()} + "\n";
}

}  // namespace tl
