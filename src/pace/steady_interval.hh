// The polling interval of a source that changes at random: one mean gap, held until the evidence
// contradicts it. Pure.
#pragma once

#include <cstdint>

namespace tl::pace {

class SteadyInterval {
 public:
  [[nodiscard]] bool is_set() const { return interval_ns_ > 0; }
  [[nodiscard]] std::int64_t interval_ns() const { return interval_ns_; }
  void set(std::int64_t interval_ns);

  // A poll `elapsed_ns` after the one before showed so many changes (all of them), or whether there
  // was any. Expected are those of a Poisson process with this mean gap; old polls are forgotten.
  void saw(std::int64_t elapsed_ns, std::uint64_t changes);
  void saw_any(std::int64_t elapsed_ns, bool has_changed);
  // The number of changes is more than four standard deviations from what was expected.
  [[nodiscard]] bool is_contradicted() const;

 private:
  void add(double expected, double variance, double observed);
  std::int64_t interval_ns_ = 0;
  double expected_ = 0, variance_ = 0, observed_ = 0;
};

}  // namespace tl::pace
