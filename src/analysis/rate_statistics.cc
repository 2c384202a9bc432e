#include "analysis/rate_statistics.hh"

#include <algorithm>
#include <numeric>

namespace tl {

BucketRange buckets_inside(const Timeline& timeline, std::int64_t start_ns, std::int64_t end_ns) {
  if (timeline.buckets == 0 || timeline.interval_ns <= 0) return {};
  const std::int64_t step = timeline.interval_ns;
  const auto all = static_cast<std::int64_t>(timeline.buckets);
  const std::int64_t after = std::max<std::int64_t>(start_ns - timeline.first_ns, 0);
  const std::int64_t before = std::max<std::int64_t>(end_ns - timeline.first_ns, 0);
  const std::int64_t begin = std::min((after + step - 1) / step, all);
  const std::int64_t end = std::min(before / step, all);
  return {static_cast<std::size_t>(begin), static_cast<std::size_t>(std::max(begin, end))};
}

RateStatistics rate_statistics(std::span<const std::uint64_t> counts, const BucketRange& range) {
  RateStatistics statistics;
  if (range.empty() || range.end > counts.size()) return statistics;
  std::vector<std::uint64_t> sorted{counts.begin() + static_cast<std::ptrdiff_t>(range.begin),
                                    counts.begin() + static_cast<std::ptrdiff_t>(range.end)};
  std::sort(sorted.begin(), sorted.end());
  statistics.buckets = sorted.size();
  statistics.sum = std::accumulate(sorted.begin(), sorted.end(), std::uint64_t{0});
  constexpr std::size_t kSteps = kQuantiles - 1;
  for (std::size_t k = 0; k <= kSteps; ++k) {
    const std::size_t rank = (k * sorted.size() + kSteps - 1) / kSteps;
    statistics.quantiles.push_back(sorted[rank == 0 ? 0 : rank - 1]);
  }
  return statistics;
}

}  // namespace tl
