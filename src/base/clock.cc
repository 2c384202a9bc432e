#include "base/clock.hh"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <limits>

#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::int64_t read_ns(clockid_t id) {
  timespec now{};
  if (::clock_gettime(id, &now) != 0) throw_errno("read", "clock");
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

std::tm utc_of(std::int64_t time_ns) {
  const std::time_t seconds = time_ns / kNsPerSecond;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return parts;
}

}  // namespace

std::int64_t monotonic_ns() { return read_ns(CLOCK_MONOTONIC); }
std::int64_t realtime_ns() { return read_ns(CLOCK_REALTIME); }

ClockPair read_clock_pair(int attempts) {
  ClockPair best{0, 0, std::numeric_limits<std::int64_t>::max()};
  for (int i = 0; i < attempts; ++i) {
    const std::int64_t before = monotonic_ns();
    const std::int64_t real = realtime_ns();
    const std::int64_t after = monotonic_ns();
    const std::int64_t half_width = (after - before + 1) / 2;
    if (half_width < best.uncertainty_ns) best = {before + (after - before) / 2, real, half_width};
  }
  return best;
}

ClockReading read_clocks() {
  return {read_clock_pair(), read_ns(CLOCK_BOOTTIME), read_ns(CLOCK_TAI)};
}

std::int64_t time_namespace_offset_ns() {
  std::ifstream offsets{"/proc/self/timens_offsets"};  // none: a kernel without time namespaces
  std::string clock;
  std::int64_t seconds = 0, nanoseconds = 0;
  while (offsets >> clock >> seconds >> nanoseconds)
    if (clock == "monotonic") return seconds * kNsPerSecond + nanoseconds;
  return 0;
}

std::int64_t tai_offset_ns(const ClockReading& reading) {
  // TAI is read a little after the pair: rounding takes that away.
  const std::int64_t apart_ns = reading.tai_ns - reading.pair.real_ns;
  return (apart_ns + kNsPerSecond / 2) / kNsPerSecond * kNsPerSecond;
}

std::string utc_compact(std::int64_t time_ns) {
  const std::tm t = utc_of(time_ns);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                     t.tm_hour, t.tm_min, t.tm_sec);
}

std::string utc_iso(std::int64_t time_ns) {
  const std::tm t = utc_of(time_ns);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", t.tm_year + 1900, t.tm_mon + 1,
                     t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, time_ns % kNsPerSecond);
}

int Deadline::remaining_ms() const {
  const std::int64_t left_ns = at_ns_ - monotonic_ns();
  return left_ns <= 0 ? 0
                      : static_cast<int>(
                            std::min<std::int64_t>((left_ns + 999'999) / 1'000'000, 1'000'000'000));
}

}  // namespace tl
