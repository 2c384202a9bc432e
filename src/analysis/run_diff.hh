// Two captures of different runs side by side: totals, protocols, order, round-trip times, ports,
// flows, and how far apart they are over time. A capture against itself differs in nothing.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/capture_summary.hh"
#include "analysis/rtt.hh"

namespace tl {

struct RunDiffOptions {
  std::chrono::nanoseconds interval{10'000'000};  // of the time series that are compared
  // Flows are told apart without the client's port, which the system chooses anew in every run.
  bool ignore_client_port = false;
  std::uint32_t most_flows = FlowTable::kDefaultMostFlows;
};

// One number of both runs. Absent when a run has no such thing.
struct RunMetric {
  std::string name;  // with its unit
  std::array<std::optional<std::int64_t>, 2> values;

  [[nodiscard]] bool is_equal() const { return values[0] == values[1]; }
  // B - A; empty unless both are there.
  [[nodiscard]] std::optional<std::int64_t> difference() const;
  // |B - A| in millionths of the larger of both; absent on one side is everything.
  [[nodiscard]] std::int64_t distance_ppm() const;
};

// A port, or a flow, and what it carried in both runs.
struct RunPart {
  std::string name;  // "tcp 5201"; "tcp 198.18.0.2:40000 198.18.0.3:5201", client first
  std::array<Tally, 2> from_client, from_server;
  [[nodiscard]] Tally total(unsigned run) const { return from_client[run] + from_server[run]; }
  [[nodiscard]] bool is_equal() const {
    return from_client[0] == from_client[1] && from_server[0] == from_server[1];
  }
};

// Both series from their first packets on, bin by bin, in frame bytes.
struct SeriesDistance {
  std::uint64_t difference_bytes = 0;  // Σ |a - b|
  std::uint64_t sum_bytes = 0;         // Σ (a + b)
  std::uint64_t bins = 0, different_bins = 0;
  // 0 for equal series, 1,000,000 for series that never send in the same bin.
  [[nodiscard]] std::int64_t ppm() const;
};

struct RunDiff {
  std::vector<RunMetric> metrics;
  std::vector<RunPart> ports, flows;  // those that differ most first
  SeriesDistance series;
  std::array<Stop, 2> stops;
  std::array<std::uint64_t, 2> evictions{};  // of flows: then parts are missing

  [[nodiscard]] bool is_identical() const;
};

// Reads both captures, each twice. Throws UsageError when one is no capture.
RunDiff compare_runs(const std::array<std::string, 2>& paths, const RunDiffOptions& options);

}  // namespace tl
