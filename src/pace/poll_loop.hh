// Runs polled metrics: which is due next, and when a budget lets it start. Pure but for the source;
// whoever calls it sleeps.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "pace/budget.hh"
#include "pace/polled_metric.hh"

namespace tl::pace {

class PollLoop {
 public:
  using OnPoll = std::function<void(const PollOutcome&)>;
  PollLoop(std::vector<std::unique_ptr<PolledMetric>> metrics, BudgetLimits budget, OnPoll on_poll);

  // When the next poll starts, on the source's clock: the earliest deadline, or later when the
  // budget is spent.
  [[nodiscard]] std::int64_t next_ns(std::int64_t now_ns) const;
  // Does the poll that is due; call it at next_ns().
  void poll(MetricSource& source);

  [[nodiscard]] const std::vector<std::unique_ptr<PolledMetric>>& metrics() const {
    return metrics_;
  }

 private:
  struct Due {
    std::int64_t at_ns;
    std::size_t metric;
    bool operator>(const Due& other) const { return at_ns > other.at_ns; }
  };
  std::vector<std::unique_ptr<PolledMetric>> metrics_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  Budget budget_;
  OnPoll on_poll_;
};

}  // namespace tl::pace
