#include "live/retry.hh"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <random>

#include "base/curl.hh"

namespace tl::live {

using std::chrono::nanoseconds;
using std::chrono::seconds;

Random system_random() {
  const auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
  return [engine] { return std::uniform_real_distribution<double>{0, 1}(*engine); };
}

nanoseconds Backoff::next() {
  const int doublings = static_cast<int>(std::min(failures_, 62U));
  ++failures_;
  const double limit = std::min(static_cast<double>(cap_.count()),
                                std::ldexp(static_cast<double>(first_.count()), doublings));
  return nanoseconds{static_cast<std::int64_t>(limit * random_())};
}

std::optional<nanoseconds> parse_retry_after(const std::string& text, std::int64_t now_s) {
  constexpr seconds kUnreadable{10}, kMost{600};
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc{} && rest == end)
    return seconds{
        static_cast<std::int64_t>(std::min(value, static_cast<std::uint64_t>(kMost.count())))};
  const std::time_t date = curl().getdate(text.c_str(), nullptr);
  if (error == std::errc::result_out_of_range) return kMost;
  if (date < 0) return kUnreadable;
  return seconds{std::clamp<std::int64_t>(date - now_s, 0, kMost.count())};
}

}  // namespace tl::live
