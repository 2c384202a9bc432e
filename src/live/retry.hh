// When to try again: exponential backoff with full jitter, and what Retry-After says.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace tl::live {

// A number in [0, 1).
using Random = std::function<double()>;
Random system_random();

// The n-th wait is uniform in [0, min(cap, first x 2^n)): waits of many clients that failed
// together do not come together again ("full jitter").
class Backoff {
 public:
  Backoff(std::chrono::nanoseconds first, std::chrono::nanoseconds cap, Random random)
      : first_{first}, cap_{cap}, random_{std::move(random)} {}
  std::chrono::nanoseconds next();
  void reset() { failures_ = 0; }
  [[nodiscard]] std::uint32_t failures() const { return failures_; }

 private:
  std::chrono::nanoseconds first_, cap_;
  Random random_;
  std::uint32_t failures_ = 0;
};

// The wait that a Retry-After header asks for (RFC 9110, 10.2.3): seconds, or an HTTP date, from
// `now_s` seconds since the epoch. Never more than ten minutes; ten seconds when it says something
// else; nullopt for no header.
std::optional<std::chrono::nanoseconds> parse_retry_after(const std::string& text,
                                                          std::int64_t now_s);

}  // namespace tl::live
