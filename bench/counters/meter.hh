// Run times of the kernel's BPF programs, by its own account (BPF_ENABLE_STATS).
#pragma once

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.hh"
#include "base/fd.hh"

namespace tl::bench {

inline bpf_prog_info info_of(int fd) {
  bpf_prog_info info{};
  __u32 length = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) throw_errno("ask about", "a program");
  return info;
}

// All programs of the kernel that `wanted` selects.
inline std::vector<std::uint32_t> programs(
    const std::function<bool(const bpf_prog_info&)>& wanted) {
  std::vector<std::uint32_t> ids;
  for (__u32 id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
    const UniqueFd fd{bpf_prog_get_fd_by_id(id)};
    if (fd.valid() && wanted(info_of(fd.get()))) ids.push_back(id);
  }
  return ids;
}

// Run times of programs, by what is measured and where; several programs may be one.
class Meter {
 public:
  void add(const std::string& name, const std::string& hook, int fd) {
    programs_.push_back({name, hook, UniqueFd{::fcntl(fd, F_DUPFD_CLOEXEC, 0)}, {}});
  }
  void add_id(const std::string& name, const std::string& hook, std::uint32_t id) {
    programs_.push_back({name, hook, UniqueFd{bpf_prog_get_fd_by_id(id)}, {}});
  }
  void begin() {
    for (Program& p : programs_) p.before = read(p);
  }
  // Adds up what the programs ran since, and forgets them.
  void end() {
    for (const Program& p : programs_) {
      const Facts now = read(p);
      Facts& sum = sums_[{p.name, p.hook}];
      sum.runs += now.runs - p.before.runs;
      sum.run_ns += now.run_ns - p.before.run_ns;
    }
    programs_.clear();
  }
  // One line each name and hook.
  void print() const {
    for (const auto& [key, sum] : sums_)
      fmt::print("{}\n", nlohmann::json{{"program", key.first},
                                        {"hook", key.second},
                                        {"runs", sum.runs},
                                        {"run_ns", sum.run_ns}}
                             .dump());
  }

 private:
  struct Facts {
    std::uint64_t runs = 0, run_ns = 0;
  };
  struct Program {
    std::string name, hook;
    UniqueFd fd;
    Facts before;
  };
  static Facts read(const Program& p) {
    const bpf_prog_info info = info_of(p.fd.get());
    return {info.run_cnt, info.run_time_ns};
  }
  std::vector<Program> programs_;
  std::map<std::pair<std::string, std::string>, Facts> sums_;
};

}  // namespace tl::bench
