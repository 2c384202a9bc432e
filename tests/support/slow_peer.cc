#include "support/slow_peer.hh"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/errors.hh"
#include "base/fd.hh"
#include "base/process.hh"
#include "support/star.hh"

namespace tl::test {
namespace {

using namespace std::chrono_literals;

constexpr int kCpu = 0;

cpu_set_t one_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(kCpu, &set);
  return set;
}

// The kernel's threads for NAPI, of all devices of the machine.
std::set<pid_t> napi_threads() {
  std::set<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    const std::string name = entry.path().filename().native();
    if (name.find_first_not_of("0123456789") == std::string::npos &&
        read_value(entry.path() / "comm").starts_with("napi/"))
      pids.insert(std::stoi(name));
  }
  return pids;
}

}  // namespace

SlowPeer::SlowPeer(const VethPair& pair) {
  run_in(pair.left, "ethtool", "-K eth0 tso off");  // a super-packet would bypass the queue
  run_in(pair.right, "ethtool", "-K eth0 gro on");  // NAPI
  const std::set<pid_t> before = napi_threads();
  // /sys shows the devices of the namespace in which it was mounted.
  pair.right.run([] {
    must_run({"unshare", "--mount", "sh", "-c",
              "mount -t sysfs sysfs /sys && echo 1 >/sys/class/net/eth0/threaded"},
             10s);
  });
  std::vector<pid_t> mine;
  std::ranges::set_difference(napi_threads(), before, std::back_inserter(mine));
  if (mine.empty()) throw MachineError{"find the peer's thread: the kernel made none"};
  const cpu_set_t set = one_cpu();
  for (const pid_t pid : mine)
    if (::sched_setaffinity(pid, sizeof set, &set) != 0) throw_errno("pin", "the peer's thread");
}

void SlowPeer::during(const std::function<void()>& burst) const {
  std::exception_ptr failure;
  std::thread{[&] {
    try {
      const cpu_set_t set = one_cpu();
      const sched_param priority{.sched_priority = 1};
      if (::sched_setaffinity(0, sizeof set, &set) != 0 ||
          ::sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
        throw_errno("get", "real-time priority");
      burst();
    } catch (...) {
      failure = std::current_exception();
    }
  }}.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tl::test
