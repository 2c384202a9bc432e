#include "compare/limit.hh"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/errors.hh"

namespace tl {
namespace {

constexpr double kPercent = 100;

std::optional<double> number(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

double multiple_of(char suffix) {
  switch (suffix) {
    case 'k':
      return 1e3;
    case 'M':
      return 1e6;
    case 'G':
      return 1e9;
    default:
      return 1;
  }
}

}  // namespace

double parse_amount(std::string_view text, std::string_view what) {
  const double multiple = text.empty() ? 1 : multiple_of(text.back());
  const auto value = number(multiple == 1 ? text : text.substr(0, text.size() - 1));
  if (!value)
    throw UsageError{fmt::format("{} '{}': expected a number, as 0.2, 900M or 1e-3", what, text)};
  return *value * multiple;
}

Limit parse_limit(std::string_view text, std::string_view what) {
  if (!text.ends_with('%')) return {parse_amount(text, what), false};
  const auto value = number(text.substr(0, text.size() - 1));
  if (!value || *value <= -kPercent)
    throw UsageError{
        fmt::format("{} '{}': expected a share as 5% or an amount as 0.2", what, text)};
  return {*value / kPercent, true};
}

double parse_confidence(std::string_view text) {
  const bool is_percent = text.ends_with('%');
  const auto value = number(is_percent ? text.substr(0, text.size() - 1) : text);
  const double share = value.value_or(0) / (is_percent ? kPercent : 1);
  if (!(share >= 0.5 && share < 1))
    throw UsageError{
        fmt::format("confidence '{}': expected 50% to 99.99%, or 0.5 to 0.9999", text)};
  return share;
}

}  // namespace tl
