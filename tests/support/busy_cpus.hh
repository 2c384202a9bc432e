// A machine that has no time: busy threads, and the choice of the CPU that one runs on.
#pragma once

#include <sched.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace tl::test {

// Keeps twice as many threads busy as there are CPUs.
class BusyCpus {
 public:
  BusyCpus() {
    for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i)
      threads_.emplace_back([](const std::stop_token& stop) {
        for (volatile std::uint64_t n = 0; !stop.stop_requested();) n = n + 1;
      });
  }

 private:
  std::vector<std::jthread> threads_;
};

// Keeps the calling thread, and what it starts, on one CPU for a scope.
class OnCpu {
 public:
  explicit OnCpu(unsigned cpu);
  ~OnCpu() { ::sched_setaffinity(0, sizeof before_, &before_); }
  OnCpu(const OnCpu&) = delete;
  OnCpu& operator=(const OnCpu&) = delete;

 private:
  cpu_set_t before_{};
};

}  // namespace tl::test
