#include "pace/budget.hh"

#include <algorithm>

namespace tl::pace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

std::int64_t Budget::charged(std::int64_t free_at_ns, std::int64_t now_ns, std::uint64_t amount,
                             std::uint64_t per_second) {
  if (per_second == 0) return 0;
  const auto cost_ns = static_cast<std::int64_t>(static_cast<double>(amount) * 1e9 /
                                                 static_cast<double>(per_second));
  return std::max(free_at_ns, now_ns) + cost_ns;
}

std::int64_t Budget::allowed_ns(std::int64_t now_ns) const {
  const std::int64_t paid_ns = std::max(requests_paid_ns_, bytes_paid_ns_);
  return std::max(now_ns, paid_ns - kBurstSeconds * kSecondNs);
}

void Budget::charge(std::int64_t now_ns, std::uint64_t bytes) {
  requests_paid_ns_ = charged(requests_paid_ns_, now_ns, 1, limits_.requests_per_second);
  bytes_paid_ns_ = charged(bytes_paid_ns_, now_ns, bytes, limits_.bytes_per_second);
}

}  // namespace tl::pace
