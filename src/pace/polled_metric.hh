// One metric that is polled: what to ask next, what the answers mean, what it all cost.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pace/cost_row.hh"
#include "pace/freshness.hh"
#include "pace/interval_controller.hh"
#include "pace/metric_source.hh"

namespace tl::pace {

struct PollOutcome {
  CostRow row;
  std::int64_t next_ns = 0;                // when to poll again, on the server's clock
  std::vector<SeriesSamples> new_samples;  // stored ones, each exactly once; adaptive only
};

class PolledMetric {
 public:
  virtual ~PolledMetric() = default;
  virtual PollOutcome poll(MetricSource& source) = 0;
  [[nodiscard]] virtual const std::string& expression() const = 0;
  [[nodiscard]] virtual FreshnessSummary summary() const = 0;
};

// Polls every `interval` for the latest value, at k x interval from the first poll: an answer that
// takes longer skips times, it delays none.
std::unique_ptr<PolledMetric> fixed_metric(std::string expression,
                                           std::chrono::nanoseconds interval);

struct AdaptiveOptions {
  PaceLimits limits;
  // Every stored sample is fetched, exactly once: never asks for the latest value alone.
  bool every_sample = false;
  // Where an earlier run ended: the time of the latest sample by series name.
  std::map<std::string, std::int64_t> known;
};
// The interval follows the series' own changes (pace/interval_controller.hh); of several series the
// one that is due first decides. An expression that is no selector is polled for its value.
std::unique_ptr<PolledMetric> adaptive_metric(std::string expression, AdaptiveOptions options);

}  // namespace tl::pace
