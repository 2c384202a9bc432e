// CLOCK_REALTIME set off by some time for as long as this object lives. It goes back by as much, so
// what adjtimex(2) or an administrator does meanwhile stays.
#pragma once

#include <chrono>

namespace tl {

class ClockStep {
 public:
  // Throws MachineError without CAP_SYS_TIME.
  explicit ClockStep(std::chrono::nanoseconds by);
  ~ClockStep();
  ClockStep(const ClockStep&) = delete;
  ClockStep& operator=(const ClockStep&) = delete;

 private:
  std::chrono::nanoseconds by_;
};

}  // namespace tl
