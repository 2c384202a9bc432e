// Silences in traffic that should flow.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/rate_statistics.hh"

namespace tl {

// A silence shorter than this is not worth a marker.
inline constexpr std::int64_t kShortestStallNs = 50'000'000;

// Buckets in a row without a single byte.
struct Stall {
  std::size_t bucket = 0;  // the first of them
  std::size_t buckets = 0;
};

// All silences of at least kShortestStallNs between the first and the last bucket of `range` that
// hold anything: what lies before and after is the test's edge, not a stall.
std::vector<Stall> find_stalls(std::span<const std::uint64_t> bytes, const BucketRange& range,
                               std::int64_t interval_ns);

}  // namespace tl
