// The metrics of a finished run in the forms in which they travel to a Pushgateway and to InfluxDB
// (docs/telemetry-runs.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "live/line_protocol.hh"
#include "live/metric.hh"

namespace tl::live {

struct SummaryMetric {
  std::string name, unit, direction, definition;  // as in metrics.json
  double value = 0;
};

struct RunSummary {
  std::string run_id;      // of the manifest
  std::string experiment;  // its name
  std::string verdict;     // "pass", "fail", "inconclusive"
  int exit_code = 0;
  std::int64_t end_ns = 0;             // of the traffic, since the epoch; else of the last phase
  std::vector<SummaryMetric> metrics;  // those that were measured
};

// Of a finished bundle: one run, or, of a series, each run but the warm-ups. Throws UsageError when
// this is no bundle.
std::vector<RunSummary> read_run_summaries(const std::filesystem::path& bundle);

// trafficlab_run_NAME_UNIT{run_id,experiment,direction}, one gauge for each metric, and
// trafficlab_run_{info,success,end_timestamp_seconds}.
std::vector<Family> run_families(const std::vector<RunSummary>& runs);

// Measurement trafficlab_run, tags run_id and experiment: one point with the outcome, and for each
// direction one, with the tag direction, with the metrics as fields. All at the run's end.
std::vector<InfluxPoint> run_points(const std::vector<RunSummary>& runs);

}  // namespace tl::live
