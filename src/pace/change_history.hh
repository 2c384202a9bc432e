// When one series changed, and what that says about the next time. Pure: times are arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace tl::pace {

// A rhythm: nearly all of the latest gaps are within `spread_ns` of `period_ns`.
struct Rhythm {
  std::int64_t period_ns = 0;
  std::int64_t spread_ns = 0;
};

// Keeps the latest changes. All times are nanoseconds on one clock, that of the samples.
class ChangeHistory {
 public:
  static constexpr std::size_t kMostChanges = 33;  // 32 gaps

  // Times that are not after the latest are ignored: every change counts once.
  void add(std::int64_t time_ns);
  void clear() { times_.clear(); }

  [[nodiscard]] std::size_t size() const { return times_.size(); }
  [[nodiscard]] bool empty() const { return times_.empty(); }
  [[nodiscard]] std::int64_t latest_ns() const { return times_.back(); }

  // The rhythm of the latest 4 to 8 gaps, the longest stretch first; one of eight gaps may be an
  // outlier, of fewer none. nullopt when they are irregular, that is when the spread is above
  // `tolerance_percent` of the median.
  [[nodiscard]] std::optional<Rhythm> rhythm(std::int64_t tolerance_percent) const;
  // The mean time between changes when the time since the latest one counts as well, so that it
  // grows while nothing happens; of the latest `most_gaps`. nullopt with fewer than two changes.
  [[nodiscard]] std::optional<std::int64_t> mean_gap_ns(std::int64_t now_ns,
                                                        std::size_t most_gaps) const;
  [[nodiscard]] std::optional<std::int64_t> median_gap_ns() const;

 private:
  [[nodiscard]] std::optional<Rhythm> rhythm_of_latest(std::size_t gaps) const;
  std::deque<std::int64_t> times_;
};

}  // namespace tl::pace
