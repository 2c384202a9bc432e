// `trafficlab pace baseline` and `adaptive`: from the configuration to the log and the report.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pace/fixed_equivalent.hh"
#include "pace/freshness.hh"
#include "pace/pace_config.hh"

namespace tl::pace {

enum class PaceMode : std::uint8_t { baseline, adaptive };

struct MetricReport {
  std::string expression;
  FreshnessSummary summary;
  std::string last_error;           // of the latest poll that failed; empty when none did
  std::uint64_t instant_bytes = 0;  // of one poll for the latest value; 0: could not be measured
  std::uint64_t fixed_bytes = 0;    // what polls every `interval` would have cost
  FixedEquivalent equal;            // what the bytes would have bought as fixed polls
};

struct PaceReport {
  PaceMode mode = PaceMode::baseline;
  std::chrono::nanoseconds interval{0};  // of the fixed polls it is compared with
  std::int64_t elapsed_ns = 0;
  std::vector<MetricReport> metrics;
};

// Polls until `stop_fd` is readable or `duration` has passed. Failed polls are rows of the log.
PaceReport run_pace(const PaceConfig& config, PaceMode mode,
                    std::optional<std::chrono::nanoseconds> duration, int stop_fd);

// For people, a paragraph a metric; and "trafficlab.pace/1" as JSON.
std::string report_text(const PaceReport& report);
std::string report_json(const PaceReport& report);

// Throws MeasurementError with the reasons when a metric was never answered by the server at `url`.
void check_answers(const PaceReport& report, const std::string& url);

}  // namespace tl::pace
