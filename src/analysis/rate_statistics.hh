// The distribution of a series' counts over the buckets of a window: how a rate was spread, not
// only its mean. Integers throughout: a count a bucket is the rate, and units are applied when
// shown.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/timeline.hh"

namespace tl {

// Buckets [begin, end) of a timeline that lie wholly inside a window of time.
struct BucketRange {
  std::size_t begin = 0, end = 0;
  [[nodiscard]] bool empty() const { return begin >= end; }
};

// The buckets wholly inside [start_ns, end_ns) since the epoch; empty when there are none.
BucketRange buckets_inside(const Timeline& timeline, std::int64_t start_ns, std::int64_t end_ns);

inline constexpr std::size_t kQuantiles = 201;  // every half per cent, both ends included

struct RateStatistics {
  std::uint64_t sum = 0;
  std::size_t buckets = 0;
  // quantiles[k]: the smallest count such that at least k/200 of the buckets are not larger
  // (nearest rank); the first is the minimum, the last the maximum. Empty without buckets.
  std::vector<std::uint64_t> quantiles;
};

RateStatistics rate_statistics(std::span<const std::uint64_t> counts, const BucketRange& range);

}  // namespace tl
