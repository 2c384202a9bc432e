// Bundles as what comparisons and gates read: one value a run and metric.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/metrics.hh"
#include "compare/statistics.hh"

namespace tl {

struct MeasuredRun {
  std::filesystem::path bundle;
  nlohmann::json manifest;
  std::vector<Metric> metrics;  // of metrics.json, in its order

  [[nodiscard]] const Metric* find(const std::string& name) const;
};

using RunSet = std::vector<MeasuredRun>;

// One run. Throws UsageError for what is no bundle.
MeasuredRun read_run(const std::filesystem::path& bundle);

// The runs at `paths`; of a bundle that holds runs (`run --repeat`, `ab`) those inside that are not
// warm-ups. Throws UsageError for what is no bundle, and when two paths are the same run.
RunSet read_runs(const std::vector<std::filesystem::path>& paths);

// The runs of one arm ("a", "b") of a bundle that `ab` left, pair by pair.
RunSet read_arm(const std::filesystem::path& series, const std::string& arm);

// One metric over a set: the values, or why there are none.
struct Values {
  Runs values;
  std::string missing;  // the first run without a value, and its reason; empty when all have one
};
Values values_of(const RunSet& runs, const std::string& metric);

}  // namespace tl
