// How often something changes when all that is known is whether a poll found it changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace tl::pace {

// The bias-corrected estimator of Cho and Garcia-Molina ("Estimating frequency of change", 2003):
// -log((n - X + 0.5) / (n + 0.5)) changes per polling interval, for X changed polls of n. Several
// changes between two polls look like one, which the naive X / n underestimates.
class ChangeRate {
 public:
  void add(std::int64_t interval_ns, bool has_changed);
  // The expected time between changes; nullopt while no poll of the window found any.
  [[nodiscard]] std::optional<std::int64_t> mean_gap_ns() const;

 private:
  static constexpr std::size_t kWindow = 12;  // old polls are forgotten
  struct Poll {
    std::int64_t interval_ns;
    bool has_changed;
  };
  std::deque<Poll> polls_;
};

}  // namespace tl::pace
