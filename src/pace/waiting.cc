#include "pace/waiting.hh"

#include <poll.h>

#include <ctime>

#include "base/clock.hh"

namespace tl::pace {

bool sleep_until(std::int64_t monotonic_deadline_ns, int stop_fd) {
  while (true) {
    const std::int64_t left_ns = monotonic_deadline_ns - monotonic_ns();
    if (left_ns <= 0) return true;
    pollfd stop{stop_fd, POLLIN, 0};
    const timespec wait{left_ns / 1'000'000'000, left_ns % 1'000'000'000};
    if (::ppoll(&stop, 1, &wait, nullptr) > 0) return false;
  }
}

}  // namespace tl::pace
