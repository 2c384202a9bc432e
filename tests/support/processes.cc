#include "support/processes.hh"

#include <poll.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include "base/clock.hh"
#include "base/fd.hh"

namespace tl::test {
namespace {

// The parent of a process: fourth field of /proc/PID/stat, counted after the name, which may hold
// anything.
pid_t parent_of(const std::filesystem::path& process) {
  const std::string stat = read_value(process / "stat");
  std::istringstream fields{stat.substr(std::min(stat.rfind(')') + 1, stat.size()))};
  std::string state;
  pid_t parent = 0;
  fields >> state >> parent;
  return parent;
}

}  // namespace

std::vector<pid_t> descendants(pid_t root, const std::string& part) {
  std::multimap<pid_t, pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    const std::string name = entry.path().filename().native();
    if (name.find_first_not_of("0123456789") == std::string::npos)
      children.emplace(parent_of(entry.path()), std::stoi(name));
  }
  std::vector<pid_t> open{root}, found;
  while (!open.empty()) {
    const pid_t parent = open.back();
    open.pop_back();
    for (auto [it, end] = children.equal_range(parent); it != end; ++it) {
      open.push_back(it->second);
      std::string line = read_value("/proc/" + std::to_string(it->second) + "/cmdline");
      std::replace(line.begin(), line.end(), '\0', ' ');
      if (line.find(part) != std::string::npos) found.push_back(it->second);
    }
  }
  return found;
}

bool eventually(const std::function<bool()>& done, std::chrono::milliseconds limit) {
  const Deadline deadline{limit};
  while (!done()) {
    if (deadline.passed()) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

}  // namespace tl::test
