#include "run/clock_step.hh"

#include <sys/timex.h>

#include "base/errors.hh"

namespace tl {
namespace {

// One system call adds to the clock: nothing is lost between reading and setting (adjtimex(2)).
bool add_to_clock(std::chrono::nanoseconds by) {
  timex change{};
  change.modes = ADJ_SETOFFSET | ADJ_NANO;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(by);
  change.time.tv_sec = seconds.count();
  change.time.tv_usec = (by - seconds).count();  // nanoseconds with ADJ_NANO, never negative
  return ::adjtimex(&change) >= 0;
}

}  // namespace

ClockStep::ClockStep(std::chrono::nanoseconds by) : by_{by} {
  if (!add_to_clock(by)) throw_errno("step", "CLOCK_REALTIME");
}

ClockStep::~ClockStep() { (void)add_to_clock(-by_); }

}  // namespace tl
