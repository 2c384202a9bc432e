// A limit on what all polls together may cost. Pure.
#pragma once

#include <cstdint>

namespace tl::pace {

struct BudgetLimits {
  std::uint64_t requests_per_second = 0;  // 0: no limit
  std::uint64_t bytes_per_second = 0;     // on the wire, both directions; 0: no limit
};

// Two token buckets which hold ten seconds' worth. A poll may start when neither is in debt; its
// bytes are known, and charged, afterwards, so that one large answer delays the polls after it.
class Budget {
 public:
  explicit Budget(BudgetLimits limits) : limits_{limits} {}
  // The first moment at or after `now_ns` at which a poll may start.
  [[nodiscard]] std::int64_t allowed_ns(std::int64_t now_ns) const;
  void charge(std::int64_t now_ns, std::uint64_t bytes);

 private:
  static constexpr std::int64_t kBurstSeconds = 10;
  static std::int64_t charged(std::int64_t free_at_ns, std::int64_t now_ns, std::uint64_t amount,
                              std::uint64_t per_second);
  BudgetLimits limits_;
  // When everything charged so far is paid back; a bucket may be that far ahead of now.
  std::int64_t requests_paid_ns_ = 0, bytes_paid_ns_ = 0;
};

}  // namespace tl::pace
