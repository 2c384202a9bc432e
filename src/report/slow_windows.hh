// The moments of a run that deserve a look at its packets.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/rate_statistics.hh"

namespace tl {

inline constexpr std::size_t kSlowWindowBuckets = 10;
inline constexpr std::size_t kMostSlowWindows = 5;

// kSlowWindowBuckets buckets in a row from `bucket` on, with `sum` bytes in all.
struct SlowWindow {
  std::size_t bucket = 0;
  std::uint64_t sum = 0;
};

// The windows with the fewest bytes, fewest first (the earlier of equals), none overlapping, all
// between the first and the last bucket of `range` that hold anything. Only windows with less than
// nine tenths of the mean are slow: a steady run has none.
std::vector<SlowWindow> slow_windows(std::span<const std::uint64_t> bytes,
                                     const BucketRange& range);

}  // namespace tl
