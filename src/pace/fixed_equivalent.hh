// What polling at a fixed interval would have given for the same bytes. Pure.
#pragma once

#include <cstdint>
#include <vector>

namespace tl::pace {

struct FixedEquivalent {
  std::int64_t interval_ns = 0;
  std::uint64_t polls = 0;
  // Over all phases that the polls could have had. A change waits evenly between 0 and the interval
  // for the next poll, whatever the source does: hence half of it.
  std::int64_t mean_ns = 0, p95_ns = 0, p99_ns = 0;
};

// `poll_bytes` is one poll's cost on the wire. Zeros without a poll.
FixedEquivalent fixed_equivalent(std::int64_t elapsed_ns, std::uint64_t wire_bytes,
                                 std::uint64_t poll_bytes);

}  // namespace tl::pace
