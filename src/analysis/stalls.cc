#include "analysis/stalls.hh"

namespace tl {

std::vector<Stall> find_stalls(std::span<const std::uint64_t> bytes, const BucketRange& range,
                               std::int64_t interval_ns) {
  std::vector<Stall> stalls;
  bool has_begun = false;
  std::size_t last = range.begin;
  for (std::size_t i = range.begin; i < range.end && i < bytes.size(); ++i) {
    if (bytes[i] == 0) continue;
    const std::size_t silent = i - last - 1;
    if (has_begun && static_cast<std::int64_t>(silent) * interval_ns >= kShortestStallNs)
      stalls.push_back({last + 1, silent});
    has_begun = true;
    last = i;
  }
  return stalls;
}

}  // namespace tl
