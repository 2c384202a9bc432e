#include "pace/fixed_equivalent.hh"

namespace tl::pace {

FixedEquivalent fixed_equivalent(std::int64_t elapsed_ns, std::uint64_t wire_bytes,
                                 std::uint64_t poll_bytes) {
  if (poll_bytes == 0 || wire_bytes < poll_bytes) return {};
  FixedEquivalent result;
  result.polls = wire_bytes / poll_bytes;
  result.interval_ns = elapsed_ns / static_cast<std::int64_t>(result.polls);
  result.mean_ns = result.interval_ns / 2;
  result.p95_ns = result.interval_ns / 100 * 95;
  result.p99_ns = result.interval_ns / 100 * 99;
  return result;
}

}  // namespace tl::pace
