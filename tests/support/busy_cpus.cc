#include "support/busy_cpus.hh"

#include "base/errors.hh"

namespace tl::test {

OnCpu::OnCpu(unsigned cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  if (::sched_getaffinity(0, sizeof before_, &before_) != 0 ||
      ::sched_setaffinity(0, sizeof only, &only) != 0)
    throw_errno("stay on", "one CPU");
}

}  // namespace tl::test
