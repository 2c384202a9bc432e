#include "pace/change_rate.hh"

#include <cmath>

namespace tl::pace {

void ChangeRate::add(std::int64_t interval_ns, bool has_changed) {
  polls_.push_back({interval_ns, has_changed});
  if (polls_.size() > kWindow) polls_.pop_front();
}

std::optional<std::int64_t> ChangeRate::mean_gap_ns() const {
  std::int64_t span_ns = 0;
  double changed = 0;
  for (const Poll& poll : polls_) {
    span_ns += poll.interval_ns;
    changed += poll.has_changed ? 1 : 0;
  }
  if (changed == 0) return std::nullopt;
  const auto polls = static_cast<double>(polls_.size());
  const double per_interval = -std::log((polls - changed + 0.5) / (polls + 0.5));
  return static_cast<std::int64_t>(static_cast<double>(span_ns) / polls / per_interval);
}

}  // namespace tl::pace
