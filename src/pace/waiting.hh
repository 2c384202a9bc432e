#pragma once

#include <cstdint>

namespace tl::pace {

// Sleeps until a moment of the monotonic clock; false as soon as `stop_fd` is readable.
bool sleep_until(std::int64_t monotonic_deadline_ns, int stop_fd);

}  // namespace tl::pace
