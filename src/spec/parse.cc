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
constexpr std::string_view kMatrix = "matrix";

const Setting* setting_at(std::string_view path) {
  const auto table = settings();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Setting& s) { return s.path == path; });
  return found == table.end() ? nullptr : &*found;
}

// Walks one file and remembers its name for messages.
class Reader {
 public:
  Reader(std::string file, Experiment base) : file_{std::move(file)} {
    sweep_.base = std::move(base);
  }

  Sweep read(const YAML::Node& root) {
    if (!root.IsNull()) read_map(root, "");
    return sweep_;
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
    if (path == kMatrix) return read_matrix(value);
    if (is_section(path)) return read_map(value, path);
    const Setting* setting = setting_at(path);
    if (setting == nullptr)
      refuse(key.Mark(), fmt::format("unknown key '{}' (known here: {})", path, siblings(path)));
    if (!value.IsScalar()) refuse(value.Mark(), fmt::format("{}: expected one value", path));
    try {
      setting->set(sweep_.base, value.Scalar());
    } catch (const UsageError& e) {
      refuse(value.Mark(), e.what());
    }
  }

  void read_options(const YAML::Node& value) {
    if (!value.IsSequence())
      refuse(value.Mark(), "traffic.options: expected a list of iperf3's options");
    sweep_.base.iperf_options.clear();
    for (const YAML::Node& word : value) {
      if (!word.IsScalar()) refuse(word.Mark(), "traffic.options: expected a list of words");
      sweep_.base.iperf_options.push_back(word.Scalar());
    }
  }

  void read_matrix(const YAML::Node& map) {
    if (!map.IsMap()) refuse(map.Mark(), "matrix: expected settings with lists of values");
    for (const auto& entry : map)
      if (entry.first.Scalar() != "exclude")
        sweep_.axes.push_back(read_axis(entry.first, entry.second));
    if (sweep_.axes.empty()) refuse(map.Mark(), "matrix: no setting varies");
    if (const YAML::Node exclude = map["exclude"]) read_exclude(exclude);
  }

  Axis read_axis(const YAML::Node& key, const YAML::Node& list) {
    Axis axis{key.Scalar(), {}};
    const Setting* setting = setting_at(axis.path);
    if (setting == nullptr || axis.path == "name")
      refuse(key.Mark(), fmt::format("matrix: '{}' is no setting that can vary (known here: {})",
                                     axis.path, known_axes()));
    for (const Axis& other : sweep_.axes)
      if (other.path == axis.path) refuse(key.Mark(), fmt::format("'{}' stands twice", axis.path));
    if (!list.IsSequence() || list.size() == 0)
      refuse(list.Mark(), fmt::format("matrix: {}: expected a list of values", axis.path));
    std::vector<std::string> seen;  // 1G is 1000M
    for (const YAML::Node& value : list) {
      axis.values.push_back(value.IsScalar() ? value.Scalar() : "");
      seen.push_back(canonical(*setting, value));
      if (std::count(seen.begin(), seen.end(), seen.back()) > 1)
        refuse(value.Mark(), fmt::format("matrix: {}: {} stands twice", axis.path, value.Scalar()));
    }
    return axis;
  }

  std::string canonical(const Setting& setting, const YAML::Node& value) {
    if (!value.IsScalar())
      refuse(value.Mark(), fmt::format("matrix: {}: expected one value", setting.path));
    Experiment scratch = sweep_.base;
    try {
      setting.set(scratch, value.Scalar());
    } catch (const UsageError& e) {
      refuse(value.Mark(), e.what());
    }
    return setting.get(scratch);
  }

  void read_exclude(const YAML::Node& list) {
    if (!list.IsSequence()) refuse(list.Mark(), "matrix: exclude: expected a list of combinations");
    for (const YAML::Node& map : list) {
      if (!map.IsMap() || map.size() == 0)
        refuse(map.Mark(), "matrix: exclude: expected settings with one value each");
      Combination wanted;
      for (const auto& entry : map)
        wanted.emplace_back(entry.first.Scalar(), value_of_axis(entry.first, entry.second));
      sweep_.exclude.push_back(std::move(wanted));
    }
  }

  // The value as its axis has it: an exclusion that fits nothing is a slip.
  std::string value_of_axis(const YAML::Node& key, const YAML::Node& value) {
    const auto axis = std::find_if(sweep_.axes.begin(), sweep_.axes.end(),
                                   [&](const Axis& a) { return a.path == key.Scalar(); });
    if (axis == sweep_.axes.end())
      refuse(key.Mark(), fmt::format("matrix: exclude: '{}' does not vary", key.Scalar()));
    const std::string text = value.IsScalar() ? value.Scalar() : "";
    if (std::find(axis->values.begin(), axis->values.end(), text) == axis->values.end())
      refuse(value.Mark(), fmt::format("matrix: exclude: {} is none of the values of {}: {}", text,
                                       axis->path, fmt::join(axis->values, ", ")));
    return text;
  }

  static std::string known_axes() {
    std::vector<std::string_view> names;
    for (const Setting& s : settings())
      if (s.path != "name") names.push_back(s.path);
    return fmt::format("{}", fmt::join(names, ", "));
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
    add(kMatrix);
    return fmt::format("{}", fmt::join(names, ", "));
  }

  std::string file_;
  Sweep sweep_;
};

Sweep read_sweep(const std::string& text, const std::string& file, const Experiment& base) {
  Reader reader{file, base};
  try {
    return reader.read(YAML::Load(text));
  } catch (const YAML::Exception& e) {
    reader.refuse(e.mark, e.msg);
  }
}

std::string read_input(const std::filesystem::path& file) try {
  return read_file(file);
} catch (const MachineError& e) {
  throw UsageError{e.what()};
}

}  // namespace

Experiment parse_experiment_text(const std::string& text, const std::string& file,
                                 const Experiment& base) {
  Sweep sweep = read_sweep(text, file, base);
  if (!sweep.axes.empty())
    throw UsageError{fmt::format("{}: has a matrix, which is for `trafficlab run` alone", file)};
  return std::move(sweep.base);
}

Experiment parse_experiment(const std::filesystem::path& file, const Experiment& base) {
  return parse_experiment_text(read_input(file), file.native(), base);
}

Sweep parse_sweep_text(const std::string& text, const std::string& file) {
  return read_sweep(text, file, {});
}

Sweep parse_sweep(const std::filesystem::path& file) {
  return parse_sweep_text(read_input(file), file.native());
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

std::string write_sweep(const Sweep& sweep) {
  const std::string base = write_experiment(sweep.base);
  if (sweep.axes.empty()) return base;
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << std::string{kMatrix} << YAML::Value << YAML::BeginMap;
  for (const Axis& axis : sweep.axes) {
    out << YAML::Key << axis.path << YAML::Value << YAML::Flow << YAML::BeginSeq;
    for (const std::string& value : axis.values) out << YAML::DoubleQuoted << value;
    out << YAML::EndSeq;
  }
  if (!sweep.exclude.empty()) out << YAML::Key << "exclude" << YAML::Value << YAML::BeginSeq;
  for (const Combination& wanted : sweep.exclude) {
    out << YAML::Flow << YAML::BeginMap;
    for (const auto& [path, value] : wanted)
      out << YAML::Key << path << YAML::Value << YAML::DoubleQuoted << value;
    out << YAML::EndMap;
  }
  if (!sweep.exclude.empty()) out << YAML::EndSeq;
  out << YAML::EndMap << YAML::EndMap;
  return base + out.c_str() + "\n";
}

}  // namespace tl
