// Configuration files of the monitoring commands: YAML maps whose every key is known. Each message
// names file and line.
#pragma once

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

namespace tl::live {

using Setting = std::function<void(const YAML::Node&)>;
using Settings = std::map<std::string, Setting>;

class ConfigFile {
 public:
  // Throws UsageError when the file is not YAML, MachineError when it cannot be read.
  explicit ConfigFile(const std::filesystem::path& path);
  // Gives each key's value to its setting. Throws UsageError "FILE:LINE: …" for an unknown key,
  // naming the known ones, and for what a setting refuses.
  void read(const Settings& known) const;
  // A setting whose value is a map of settings itself. This object must outlive it.
  [[nodiscard]] Setting section(Settings known) const;
  // The same where a map stands among others: "- {name: a, …}".
  void read_map(const YAML::Node& map, const Settings& known) const;
  [[noreturn]] void refuse(const YAML::Node& at, const std::string& why) const;

 private:
  std::string name_;
  YAML::Node root_;
};

Setting text_setting(std::string& to);
Setting flag_setting(bool& to);
Setting duration_setting(std::chrono::milliseconds& to);  // rounded up to whole milliseconds

}  // namespace tl::live
