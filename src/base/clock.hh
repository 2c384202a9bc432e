// The clocks of a run. CLOCK_MONOTONIC is what the kernel counters use, CLOCK_REALTIME what
// captures and people use; one frozen offset a run converts between them (docs/counters.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tl {

std::int64_t monotonic_ns();
std::int64_t realtime_ns();

// One reading of both clocks. The true offset lies within real_ns - mono_ns ± uncertainty_ns.
struct ClockPair {
  std::int64_t mono_ns = 0;
  std::int64_t real_ns = 0;
  std::int64_t uncertainty_ns =
      0;  // half the width of the monotonic bracket around the realtime reading
  [[nodiscard]] std::int64_t offset_ns() const { return real_ns - mono_ns; }
};

// The narrowest of `attempts` bracketed readings (mono, real, mono).
ClockPair read_clock_pair(int attempts = 64);

// All clocks of the machine at one moment, for the manifest's clock block.
struct ClockReading {
  ClockPair pair;
  std::int64_t boottime_ns = 0;
  std::int64_t tai_ns = 0;
};
ClockReading read_clocks();

// What this process's time namespace adds to the kernel's CLOCK_MONOTONIC (time_namespaces(7)); 0
// outside of one. BPF programs see the kernel's.
std::int64_t time_namespace_offset_ns();
// TAI - UTC, whole seconds as both clocks' definition has it; 0 where nobody has told the kernel.
std::int64_t tai_offset_ns(const ClockReading& reading);

// UTC as 20260131T235959Z (for names) and 2026-01-31T23:59:59.123456789Z (for people and JSON).
std::string utc_compact(std::int64_t realtime_ns);
std::string utc_iso(std::int64_t realtime_ns);

// A moment on the monotonic clock after which something is given up.
class Deadline {
 public:
  explicit Deadline(std::chrono::nanoseconds from_now)
      : at_ns_{monotonic_ns() + from_now.count()} {}
  [[nodiscard]] bool passed() const { return monotonic_ns() >= at_ns_; }
  // Milliseconds left, rounded up, never negative: what poll(2) wants.
  [[nodiscard]] int remaining_ms() const;

 private:
  std::int64_t at_ns_;
};

}  // namespace tl
