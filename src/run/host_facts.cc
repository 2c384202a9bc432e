#include "run/host_facts.hh"

#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <sstream>
#include <string>

#include "base/curl.hh"
#include "base/errors.hh"
#include "base/fd.hh"
#include "base/version.hh"

namespace tl {
namespace {

using nlohmann::json;

json value_or_null(const char* path) {
  const std::string value = read_value(path);
  return value.empty() ? json() : json(value);
}

// The value of "KEY<separator>value" lines such as those of /proc/cpuinfo and /etc/os-release.
json line_value(const char* path, const std::string& key, char separator) {
  std::istringstream lines{read_value(path)};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find(separator);
    if (at == std::string::npos || line.substr(0, line.find_last_not_of(" \t", at - 1) + 1) != key)
      continue;
    const std::size_t begin = line.find_first_not_of(" \t\"", at + 1);
    const std::size_t end = line.find_last_not_of('"');
    return begin == std::string::npos ? json() : json(line.substr(begin, end - begin + 1));
  }
  return nullptr;
}

// The netns engine runs without libcurl: its lack is no reason to lose a run that is over.
json libcurl_version() {
  try {
    return curl().version();
  } catch (const MachineError&) {
    return nullptr;
  }
}

}  // namespace

json host_facts() {
  utsname kernel{};
  ::uname(&kernel);
  struct sysinfo memory {};
  ::sysinfo(&memory);
  return {{"kernel",
           {{"release", kernel.release}, {"version", kernel.version}, {"machine", kernel.machine}}},
          {"kernel_command_line", value_or_null("/proc/cmdline")},
          {"distribution", line_value("/etc/os-release", "PRETTY_NAME", '=')},
          {"cpu",
           {{"model", line_value("/proc/cpuinfo", "model name", ':')},
            {"online", ::sysconf(_SC_NPROCESSORS_ONLN)},
            {"governor", value_or_null("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")}}},
          {"memory_bytes", std::uint64_t{memory.totalram} * memory.mem_unit},
          {"clock_source",
           value_or_null("/sys/devices/system/clocksource/clocksource0/current_clocksource")},
          {"bpf_stats_enabled", value_or_null("/proc/sys/kernel/bpf_stats_enabled")},
          {"boot_id", value_or_null("/proc/sys/kernel/random/boot_id")}};
}

json tool_versions() {
  return {{"trafficlab", kVersion}, {"libcurl", libcurl_version()}, {"compiler", __VERSION__}};
}

}  // namespace tl
