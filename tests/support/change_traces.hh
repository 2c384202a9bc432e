// Six hours of changes of one series, by kind of source, and what polling it on a virtual clock
// costs and shows. Deterministic.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pace/freshness.hh"
#include "pace/interval_controller.hh"

namespace tl::test {

inline constexpr std::int64_t kSecondNs = 1'000'000'000;
inline constexpr std::int64_t kTraceEndNs = 6 * 3600 * kSecondNs;

struct ChangeTrace {
  std::string name;
  std::vector<std::int64_t> changes_ns;  // ascending, in (0, kTraceEndNs)
};
ChangeTrace periodic_trace(std::int64_t period_s, std::int64_t jitter_ms = 0);
ChangeTrace poisson_trace(std::int64_t mean_s, std::uint64_t seed = 1);
ChangeTrace burst_trace();   // 300 s a change every 2 s, 1200 s none, and so on
ChangeTrace regime_trace();  // every 5 s, from the middle on every 120 s
ChangeTrace constant_trace();
// All of them, each of them random in its own way.
std::vector<ChangeTrace> all_traces();

// What one exchange with Prometheus 2.42 costs on the wire, as measured for a series with a label
// set of 60 characters (bench/pace prints it beside the live run).
struct WireModel {
  std::uint64_t instant_bytes = 0;  // one sample, plain
  std::uint64_t probe_bytes = 0;    // changes(series[window]), plain
  std::uint64_t empty_range_bytes = 0;
  // A range with one sample, and each further one.
  std::uint64_t plain_range_bytes = 0, plain_sample_bytes = 0;
  std::uint64_t gzip_range_bytes = 0, gzip_sample_bytes = 0;
  // The cheaper of both.
  [[nodiscard]] std::uint64_t range_bytes(std::size_t samples) const;
};
WireModel measured_wire();

// With `scrape_ns` > 0 the server stores a sample every so often and a change is seen first in the
// sample after it; with 0 every change is a sample of its own.
struct VirtualServer {
  ChangeTrace trace;
  std::int64_t scrape_ns = 0;
};

pace::FreshnessSummary poll_fixed(const VirtualServer& server, std::int64_t interval_ns,
                                  std::int64_t phase_ns);
pace::FreshnessSummary poll_adaptive(const VirtualServer& server, const pace::PaceLimits& limits);

// The fixed interval that costs as many bytes, with its delays averaged over 32 phases, so that no
// lucky phase decides. Its mean delay.
struct EqualBytes {
  std::int64_t interval_ns = 0;
  std::int64_t mean_ns = 0;
  double missed_ratio = 0;
};
EqualBytes fixed_at_equal_bytes(const VirtualServer& server, std::uint64_t wire_bytes);

}  // namespace tl::test
