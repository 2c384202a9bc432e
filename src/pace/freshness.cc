#include "pace/freshness.hh"

#include <algorithm>

namespace tl::pace {
namespace {

// Nearest rank; `values` sorted.
std::int64_t quantile(const std::vector<std::int64_t>& values, std::size_t percent) {
  if (values.empty()) return 0;
  const std::size_t rank = (values.size() * percent + 99) / 100;
  return values[std::max<std::size_t>(rank, 1) - 1];
}

void keep(std::deque<std::int64_t>& values, std::int64_t value) {
  values.push_back(value);
  if (values.size() > Freshness::kMostKept) values.pop_front();
}

}  // namespace

void Freshness::add(const Poll& poll) {
  if (totals_.polls++ > 0) keep(intervals_ns_, poll.time_ns - previous_ns_);
  previous_ns_ = poll.time_ns;
  totals_.wire_bytes += poll.wire_bytes;
  if (poll.failed) {
    ++totals_.failed_polls;
    return;
  }
  const std::uint64_t found = poll.changes_ns.size() + poll.untimed_changes;
  totals_.changes += found;
  totals_.timed_changes += poll.changes_ns.size();
  if (found > 0) ++totals_.useful_polls;
  if (found > 1 && !poll.shows_all) totals_.missed_changes += found - 1;
  for (const std::int64_t change_ns : poll.changes_ns) {
    const std::int64_t delay_ns = std::max<std::int64_t>(0, poll.time_ns - change_ns);
    delay_sum_ns_ += delay_ns;
    totals_.longest_ns = std::max(totals_.longest_ns, delay_ns);
    keep(delays_ns_, delay_ns);
  }
}

FreshnessSummary Freshness::summary() const {
  FreshnessSummary result = totals_;
  std::vector<std::int64_t> delays{delays_ns_.begin(), delays_ns_.end()};
  std::vector<std::int64_t> intervals{intervals_ns_.begin(), intervals_ns_.end()};
  std::sort(delays.begin(), delays.end());
  std::sort(intervals.begin(), intervals.end());
  result.median_interval_ns = quantile(intervals, 50);
  if (delays.empty()) return result;
  result.mean_ns = delay_sum_ns_ / static_cast<std::int64_t>(totals_.timed_changes);
  result.p95_ns = quantile(delays, 95);
  result.p99_ns = quantile(delays, 99);
  return result;
}

}  // namespace tl::pace
