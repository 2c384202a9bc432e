// The counters by themselves, without a lab: attach, print every bucket, until told to stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/errors.hh"
#include "base/netns.hh"
#include "probe/counter_rows.hh"

namespace tl {

struct WatchedNamespace {
  std::string name;
  NetNs netns;
};

struct CounterStreamOptions {
  RowKind kind = RowKind::total;
  RowFormat format = RowFormat::text;
  std::chrono::nanoseconds interval{10'000'000};
  std::optional<std::chrono::nanoseconds> duration;  // empty: until a signal
  std::vector<std::uint16_t> ports;
  std::vector<WatchedNamespace> points;  // their devices are named and counted at taps
  std::string interface;                 // only this device of each point; empty: all of them
  bool only_points = false;              // nothing but the points is counted
  Offered offered = Offered::left_out;   // shown: counts it, and what drivers refuse
  std::string output;                    // a file; empty: stdout
};

// Prints rows until the duration is over, a signal arrives or the reader closes its end; then an
// account on stderr. Returns inconclusive when something is missing in the output or in the counts.
// Throws MachineError when the counters cannot be attached or the output cannot be opened.
ExitCode stream_counters(CounterStreamOptions options);

}  // namespace tl
