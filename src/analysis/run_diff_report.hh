// Two runs side by side, as text, CSV and JSON, judged by declared tolerances. Schemas:
// docs/pcap-rtt.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/capture_report.hh"
#include "analysis/run_diff.hh"

namespace tl {

// How far metrics whose names begin with `prefix` may be apart, in millionths of the larger value.
struct Tolerance {
  std::string prefix;  // empty: all
  std::int64_t ppm = 0;
};
// "5%", "rtt=20%", "packets=0.1%". Throws UsageError.
Tolerance parse_tolerance(const std::string& text);

struct RunDiffReportOptions {
  std::vector<Tolerance> tolerances;  // the longest matching prefix counts; none: no verdict
  std::size_t top = 20;               // ports and flows that differ; 0: all
};

// Whether the metric is within its tolerance; empty when none is declared for it. The distance of
// the series is itself compared with the tolerance.
std::optional<bool> is_within(const RunMetric& metric, const std::vector<Tolerance>& tolerances);
// Whether any metric is outside.
bool exceeds_tolerance(const RunDiff& diff, const std::vector<Tolerance>& tolerances);

void write_run_diff(const Write& write, ReportForm form, const RunDiff& diff,
                    const RunDiffReportOptions& options);

}  // namespace tl
