// A set of runs against a baseline: comparability, then every metric, then a verdict.
#pragma once

#include <string>
#include <vector>

#include "compare/comparability.hh"
#include "compare/decision.hh"

namespace tl {

struct ComparisonOptions {
  std::vector<std::string> judged{"goodput"};  // the metrics that make the verdict
  Limit limit{0.05, true};
  double confidence = 0.95;
  bool is_paired = false;           // run i of one side belongs to run i of the other
  bool is_experiment_free = false;  // the experiments are meant to differ
  bool is_forced = false;           // compare in spite of blocking differences; recorded
};

struct MetricComparison {
  std::string name, unit;
  Better better = Better::neither;
  bool is_judged = false;
  Runs base, fresh;
  std::string missing;  // why the metric was not compared; empty when it was
  Decision decision;
};

struct Comparison {
  ComparisonOptions options;
  RunSet base, fresh;
  std::vector<Difference> differences;
  std::vector<MetricComparison> metrics;  // none when blocked
  Verdict verdict = Verdict::inconclusive;
  std::string reason;
};

// Throws UsageError for a judged metric that no run knows. Several judged metrics share the error:
// each is tested at (1 - confidence) / their number.
Comparison compare(RunSet base, RunSet fresh, const ComparisonOptions& options);

}  // namespace tl
