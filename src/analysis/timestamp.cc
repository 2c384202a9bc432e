#include "analysis/timestamp.hh"

#include <limits>

namespace tl {
namespace {

__extension__ using WideTime = __int128;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr unsigned kNsExponent = 9;

WideTime power_of_ten(unsigned exponent) {
  WideTime power = 1;
  while (exponent-- != 0) power *= 10;
  return power;
}

WideTime nanoseconds(std::uint64_t ticks, TimeUnit unit) {
  const unsigned exponent = unit.exponent;
  if (unit.is_binary) return exponent > 127 ? 0 : (WideTime{ticks} * kNsPerSecond) >> exponent;
  if (exponent <= kNsExponent) return WideTime{ticks} * power_of_ten(kNsExponent - exponent);
  constexpr unsigned kDigitsOf64Bits = 20;
  const unsigned finer = exponent - kNsExponent;
  return finer >= kDigitsOf64Bits ? 0 : WideTime{ticks} / power_of_ten(finer);
}

}  // namespace

std::optional<std::int64_t> time_from_ticks(std::uint64_t ticks, TimeUnit unit,
                                            std::int64_t offset_s) {
  const WideTime time = nanoseconds(ticks, unit) + WideTime{offset_s} * kNsPerSecond;
  if (time > std::numeric_limits<std::int64_t>::max() ||
      time < std::numeric_limits<std::int64_t>::min())
    return std::nullopt;
  return static_cast<std::int64_t>(time);
}

}  // namespace tl
