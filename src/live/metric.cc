#include "live/metric.hh"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.hh"

namespace tl::live {
namespace {

// ASCII only and independent of the locale, unlike isalpha(3).
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name(std::string_view name, bool colon) {
  if (name.empty() || is_digit(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || is_digit(c) || (colon && c == ':'); });
}

unsigned byte_at(std::string_view text, std::size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
}

// The length of the well-formed UTF-8 sequence at `i`, or 0 (RFC 3629 section 4: no overlong forms,
// no surrogates, nothing over U+10FFFF).
std::size_t sequence_length(std::string_view text, std::size_t i) {
  const unsigned lead = byte_at(text, i);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  for (std::size_t k = 1; k < length; ++k)
    if ((byte_at(text, i + k) & 0xC0U) != 0x80U) return 0;
  const unsigned second = byte_at(text, i + 1);
  const bool out_of_range = (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
                            (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F);
  return out_of_range ? 0 : length;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(text, i);
    result += length == 0 ? std::string_view{"\xEF\xBF\xBD"} : text.substr(i, length);
    i += std::max<std::size_t>(length, 1);
  }
  return result;
}

void check_metric_name(std::string_view name) {
  if (!is_name(name, true))
    throw UsageError{fmt::format("name metric '{}': not [a-zA-Z_:][a-zA-Z0-9_:]*", name)};
}

Labels checked_labels(Labels labels) {
  std::sort(labels.begin(), labels.end());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    auto& [name, value] = labels[i];
    if (!is_name(name, false) || name.starts_with("__"))
      throw UsageError{fmt::format("name label '{}': not [a-zA-Z_][a-zA-Z0-9_]*", name)};
    if (i > 0 && labels[i - 1].first == name)
      throw UsageError{fmt::format("name label '{}': stands twice", name)};
    value = valid_utf8(value);
  }
  return labels;
}

Exemplar make_exemplar(Labels labels, double value, std::int64_t time_ns) {
  constexpr std::size_t kLimit = 128;
  labels = checked_labels(std::move(labels));
  std::size_t total = 0;
  for (const auto& [name, text] : labels) total += characters(name) + characters(text);
  if (total > kLimit)
    throw UsageError{fmt::format("attach exemplar: its labels have {} characters, {} are allowed",
                                 total, kLimit)};
  return {std::move(labels), value, time_ns};
}

Point number_point(Labels labels, Number value, std::int64_t created_ns) {
  return {checked_labels(std::move(labels)), Simple{value, std::nullopt}, created_ns};
}

}  // namespace tl::live
