#include "pace/change_history.hh"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace tl::pace {
namespace {

constexpr std::size_t kFewestGaps = 4, kMostGaps = 8;

std::vector<std::int64_t> latest_gaps(const std::deque<std::int64_t>& times, std::size_t count) {
  std::vector<std::int64_t> gaps;
  for (std::size_t i = times.size() - count; i < times.size(); ++i)
    gaps.push_back(times[i] - times[i - 1]);
  return gaps;
}

std::int64_t nearest_rank(std::vector<std::int64_t> values, std::size_t rank) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

void ChangeHistory::add(std::int64_t time_ns) {
  if (!times_.empty() && time_ns <= times_.back()) return;
  times_.push_back(time_ns);
  if (times_.size() > kMostChanges) times_.pop_front();
}

std::optional<Rhythm> ChangeHistory::rhythm_of_latest(std::size_t gaps) const {
  std::vector<std::int64_t> values = latest_gaps(times_, gaps);
  const std::int64_t period_ns = nearest_rank(values, gaps / 2);
  for (std::int64_t& value : values) value = std::abs(value - period_ns);
  const std::size_t outliers = gaps / kMostGaps;
  return Rhythm{period_ns, nearest_rank(values, gaps - 1 - outliers)};
}

std::optional<Rhythm> ChangeHistory::rhythm(std::int64_t tolerance_percent) const {
  if (times_.size() < kFewestGaps + 1) return std::nullopt;
  for (std::size_t gaps = std::min(times_.size() - 1, kMostGaps); gaps >= kFewestGaps; --gaps) {
    const auto found = rhythm_of_latest(gaps);
    if (found->spread_ns <= found->period_ns / 100 * tolerance_percent) return found;
  }
  return std::nullopt;
}

std::optional<std::int64_t> ChangeHistory::mean_gap_ns(std::int64_t now_ns,
                                                       std::size_t most_gaps) const {
  if (times_.size() < 2) return std::nullopt;
  const std::size_t gaps = std::min(times_.size() - 1, most_gaps);
  const std::int64_t until_ns = std::max(now_ns, times_.back());
  return (until_ns - times_[times_.size() - 1 - gaps]) / static_cast<std::int64_t>(gaps);
}

std::optional<std::int64_t> ChangeHistory::median_gap_ns() const {
  if (times_.size() < 2) return std::nullopt;
  const std::size_t gaps = times_.size() - 1;
  return nearest_rank(latest_gaps(times_, gaps), gaps / 2);
}

}  // namespace tl::pace
