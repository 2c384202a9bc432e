// What polling one metric cost and how fresh it kept its reader.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace tl::pace {

struct FreshnessSummary {
  std::uint64_t polls = 0, failed_polls = 0, useful_polls = 0;  // useful: showed a change
  std::uint64_t changes = 0, missed_changes = 0;                // missed: overwritten between polls
  std::uint64_t wire_bytes = 0;
  std::uint64_t timed_changes = 0;  // those whose time is known, and these are over them:
  // the time from a change until the poll whose answer covers it.
  std::int64_t mean_ns = 0, p95_ns = 0, p99_ns = 0, longest_ns = 0;
  std::int64_t median_interval_ns = 0;
};

class Freshness {
 public:
  struct Poll {
    std::int64_t time_ns = 0;              // when the answer was there
    std::uint64_t wire_bytes = 0;          // both directions, headers included
    bool failed = false;                   // shows nothing, costs all the same
    std::vector<std::int64_t> changes_ns;  // covered by this answer for the first time
    bool shows_all = true;                 // false: of several changes only the latest
    std::uint64_t untimed_changes = 0;     // seen, but when they were is not known
  };
  void add(const Poll& poll);
  [[nodiscard]] FreshnessSummary summary() const;

  // Of the latest changes so many are kept: quantiles and intervals are over them.
  static constexpr std::size_t kMostKept = 65'536;

 private:
  FreshnessSummary totals_;
  std::deque<std::int64_t> delays_ns_, intervals_ns_;
  std::int64_t delay_sum_ns_ = 0;
  std::int64_t previous_ns_ = 0;
};

}  // namespace tl::pace
