#include "report/slow_windows.hh"

#include <algorithm>
#include <numeric>

namespace tl {
namespace {

// `range` without the silence at its edges.
BucketRange trimmed(std::span<const std::uint64_t> bytes, BucketRange range) {
  range.end = std::min(range.end, bytes.size());
  while (range.begin < range.end && bytes[range.begin] == 0) ++range.begin;
  while (range.begin < range.end && bytes[range.end - 1] == 0) --range.end;
  return range;
}

bool overlap(const SlowWindow& a, const SlowWindow& b) {
  return std::max(a.bucket, b.bucket) - std::min(a.bucket, b.bucket) < kSlowWindowBuckets;
}

}  // namespace

std::vector<SlowWindow> slow_windows(std::span<const std::uint64_t> bytes,
                                     const BucketRange& range) {
  const BucketRange active = trimmed(bytes, range);
  if (active.empty() || active.end - active.begin < kSlowWindowBuckets) return {};
  const std::span<const std::uint64_t> counts =
      bytes.subspan(active.begin, active.end - active.begin);
  const std::uint64_t all = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});

  std::vector<SlowWindow> candidates;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    sum += counts[i];
    if (i + 1 < kSlowWindowBuckets) continue;
    const std::size_t first = i + 1 - kSlowWindowBuckets;
    // sum / kSlowWindowBuckets < 0.9 · all / counts.size(), without division
    if (sum * 10 * counts.size() < all * 9 * kSlowWindowBuckets)
      candidates.push_back({active.begin + first, sum});
    sum -= counts[first];
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const SlowWindow& a, const SlowWindow& b) { return a.sum < b.sum; });
  std::vector<SlowWindow> slowest;
  for (const SlowWindow& c : candidates) {
    if (slowest.size() == kMostSlowWindows) break;
    if (std::none_of(slowest.begin(), slowest.end(),
                     [&](const SlowWindow& taken) { return overlap(taken, c); }))
      slowest.push_back(c);
  }
  return slowest;
}

}  // namespace tl
