#include "pace/poll_loop.hh"

#include <algorithm>

namespace tl::pace {

PollLoop::PollLoop(std::vector<std::unique_ptr<PolledMetric>> metrics, BudgetLimits budget,
                   OnPoll on_poll)
    : metrics_{std::move(metrics)}, budget_{budget}, on_poll_{std::move(on_poll)} {
  for (std::size_t i = 0; i < metrics_.size(); ++i) due_.push({0, i});
}

std::int64_t PollLoop::next_ns(std::int64_t now_ns) const {
  return budget_.allowed_ns(std::max(now_ns, due_.top().at_ns));
}

void PollLoop::poll(MetricSource& source) {
  const Due due = due_.top();
  due_.pop();
  const std::int64_t now_ns = source.now_ns();
  const PollOutcome outcome = metrics_[due.metric]->poll(source);
  budget_.charge(now_ns, outcome.row.cost.bytes());
  due_.push({outcome.next_ns, due.metric});
  on_poll_(outcome);
}

}  // namespace tl::pace
