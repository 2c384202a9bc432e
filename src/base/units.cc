#include "base/units.hh"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "base/errors.hh"

namespace tl {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

// digits[.digits] times factor, exact: nullopt when it is no number, is not whole after scaling, or
// overflows.
std::optional<std::uint64_t> scaled(std::string_view number, std::uint64_t factor) {
  const std::size_t dot = number.find('.');
  const std::string_view whole = number.substr(0, dot);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), value);
  if (whole.empty() || error != std::errc{} || end != whole.data() + whole.size())
    return std::nullopt;
  std::uint64_t result = 0;
  if (__builtin_mul_overflow(value, factor, &result)) return std::nullopt;
  if (dot == std::string_view::npos) return result;
  std::uint64_t place = factor;
  const std::string_view decimals = number.substr(dot + 1);
  if (decimals.empty()) return std::nullopt;
  for (const char c : decimals) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (digit != 0 && place % 10 != 0) return std::nullopt;
    place /= 10;
    if (__builtin_add_overflow(result, digit * place, &result)) return std::nullopt;
  }
  return result;
}

// Splits "1.5s" into number and suffix and scales by the unit's factor.
template <std::size_t N>
std::optional<std::uint64_t> parse_with_units(std::string_view text,
                                              const std::array<Unit, N>& units) {
  const std::size_t split = text.find_first_not_of("0123456789.");
  const std::string_view number = text.substr(0, split);
  const std::string_view suffix =
      split == std::string_view::npos ? std::string_view{} : text.substr(split);
  for (const Unit& unit : units)
    if (unit.suffix == suffix) return scaled(number, unit.factor);
  return std::nullopt;
}

[[noreturn]] void refuse(std::string_view what, std::string_view text, std::string_view allowed) {
  throw UsageError{fmt::format("{} '{}': expected {}", what, text, allowed)};
}

constexpr std::array<Unit, 7> kDurationUnits{{{"", 1'000'000'000},
                                              {"ns", 1},
                                              {"us", 1'000},
                                              {"ms", 1'000'000},
                                              {"s", 1'000'000'000},
                                              {"m", 60'000'000'000},
                                              {"h", 3'600'000'000'000}}};
constexpr std::array<Unit, 5> kRateUnits{
    {{"", 1}, {"k", 1'000}, {"K", 1'000}, {"M", 1'000'000}, {"G", 1'000'000'000}}};
constexpr std::array<Unit, 5> kByteUnits{
    {{"", 1}, {"k", 1ULL << 10}, {"K", 1ULL << 10}, {"M", 1ULL << 20}, {"G", 1ULL << 30}}};

}  // namespace

std::chrono::nanoseconds parse_duration(std::string_view text, std::string_view what) {
  constexpr std::uint64_t kMaximum = 365ULL * 24 * 3600 * 1'000'000'000;
  const auto value = parse_with_units(text, kDurationUnits);
  if (!value || *value == 0 || *value > kMaximum)
    refuse(what, text, "a time over zero and up to 365 days, such as 250ms, 10s, 5m or 1h");
  return std::chrono::nanoseconds{static_cast<std::int64_t>(*value)};
}

std::uint64_t parse_bitrate(std::string_view text, std::string_view what) {
  const auto value = parse_with_units(text, kRateUnits);
  if (!value) refuse(what, text, "bits per second, such as 800k, 10M or 1G (0 is unlimited)");
  return *value;
}

std::uint64_t parse_bytes(std::string_view text, std::string_view what) {
  const auto value = parse_with_units(text, kByteUnits);
  if (!value) refuse(what, text, "bytes, such as 4096, 64k, 32M or 1G");
  return *value;
}

std::int64_t parse_integer(std::string_view text, std::int64_t low, std::int64_t high,
                           std::string_view what) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value < low ||
      value > high)
    refuse(what, text, fmt::format("a whole number from {} to {}", low, high));
  return value;
}

std::string format_duration(std::chrono::nanoseconds duration) {
  const auto ns = static_cast<std::uint64_t>(duration.count());
  for (const Unit& unit : {Unit{"s", 1'000'000'000}, Unit{"ms", 1'000'000}, Unit{"us", 1'000}})
    if (ns % unit.factor == 0) return fmt::format("{}{}", ns / unit.factor, unit.suffix);
  return fmt::format("{}ns", ns);
}

namespace {
std::string human(double value, std::string_view unit) {
  constexpr std::array<std::string_view, 6> kPrefixes{"", "k", "M", "G", "T", "P"};
  std::size_t step = 0;
  while (value >= 1000.0 && step + 1 < kPrefixes.size()) {
    value /= 1000.0;
    ++step;
  }
  return step == 0 ? fmt::format("{:.0f} {}", value, unit)
                   : fmt::format("{:.2f} {}{}", value, kPrefixes[step], unit);
}
}  // namespace

std::string human_bytes(std::uint64_t bytes) { return human(static_cast<double>(bytes), "B"); }
std::string human_bitrate(double bits_per_second) { return human(bits_per_second, "bit/s"); }

}  // namespace tl
