// What the pacing commands are told: a YAML file, and flags that win over it.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pace/budget.hh"
#include "pace/cost_row.hh"
#include "pace/interval_controller.hh"
#include "pace/prometheus.hh"

namespace tl::pace {

struct MetricSetting {
  std::string expression;                // PromQL
  std::chrono::nanoseconds interval{0};  // baseline; 0: the common one
};

struct PaceConfig {
  PrometheusTarget prometheus;
  std::vector<MetricSetting> metrics;
  std::chrono::nanoseconds interval{15'000'000'000};
  PaceLimits limits;
  BudgetLimits budget;
  std::filesystem::path csv = "-";
  std::filesystem::path samples;  // empty: not kept
  RowStyle style;
};

// Keys: prometheus {url, user, password_file, ca_file, timeout}, metrics [text or {query,
// interval}], interval, shortest, longest, first, requests_per_second, bytes_per_second, csv,
// samples, extended, time (local, utc, iso). Throws UsageError "FILE:LINE: …".
PaceConfig read_pace_config(const std::filesystem::path& path);
TimeStyle parse_time_style(const std::string& text);
// Throws UsageError for what cannot be: no metric, shortest over longest, …
void check_pace_config(const PaceConfig& config);

}  // namespace tl::pace
