#include "live/line_protocol.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

#include "live/metric.hh"

namespace tl::live {
namespace {

// InfluxDB 1.x keeps measurement and tags as one key with a 16-bit length.
constexpr std::size_t kLongestKey = 65'535;
constexpr std::size_t kLongestString = 65'535;  // of a string field in InfluxDB 2.x

bool is_special(char c) { return c == ',' || c == '=' || c == ' '; }

// A name or tag value as it can be written. There is no escape for control characters, and a
// backslash before a special character or at the end cannot be told from an escape.
std::string writable(const std::string& text, int& changed) {
  std::string result = valid_utf8(text);
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  std::string kept;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t next = result.find_first_not_of('\\', i);
    const bool is_ambiguous =
        result[i] == '\\' && (next == std::string::npos || is_special(result[next]));
    if (!is_ambiguous) kept += result[i];
  }
  if (kept != text) ++changed;
  return kept;
}

std::string escaped(std::string_view text, std::string_view specials) {
  std::string result;
  result.reserve(text.size() + 4);
  for (const char c : text) {
    if (specials.find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

// Sets `refused` for what no server stores.
std::string encode_key(const InfluxPoint& point, EncodedPoint& out) {
  const std::string measurement = writable(point.measurement, out.changed_texts);
  if (measurement.empty()) out.refused = "the measurement has no name";
  if (measurement.starts_with('#')) out.refused = "a line that begins with # is a comment";
  std::vector<std::pair<std::string, std::string>> tags;
  for (const auto& [name, value] : point.tags) {
    std::pair tag{writable(name, out.changed_texts), writable(value, out.changed_texts)};
    if (tag.first.empty() || tag.second.empty()) {
      ++out.changed_texts;  // an empty tag is the same as none
    } else if (tag.first == "time") {
      out.refused = "a tag is named time";
    } else {
      tags.push_back(std::move(tag));
    }
  }
  std::sort(tags.begin(), tags.end());
  const auto same_name = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (std::adjacent_find(tags.begin(), tags.end(), same_name) != tags.end())
    out.refused = "two tags have the same name";
  std::string key = escaped(measurement, ", ");
  for (const auto& [name, value] : tags)
    key += "," + escaped(name, ",= ") + "=" + escaped(value, ",= ");
  if (key.size() > kLongestKey) out.refused = "measurement and tags are longer than 65535 bytes";
  return key;
}

std::string number(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

// One line is one point, so that batches can be split anywhere.
std::string without_newlines(std::string text, int& changed) {
  for (char& c : text)
    if (c == '\n' || c == '\r') {
      c = ' ';
      ++changed;
    }
  return text;
}

// Empty when the value has no line protocol form.
std::string encode_value(const FieldValue& value, int& changed) {
  struct Visitor {
    int& changed_texts;
    std::string operator()(double v) const { return std::isfinite(v) ? number(v) : ""; }
    std::string operator()(std::int64_t v) const { return fmt::format("{}i", v); }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(const std::string& v) const {
      const std::string text = without_newlines(valid_utf8(v), changed_texts);
      return text.size() > kLongestString ? "" : "\"" + escaped(text, "\"\\") + "\"";
    }
  };
  return std::visit(Visitor{changed}, value);
}

std::string encode_fields(const InfluxPoint& point, EncodedPoint& out) {
  std::string text;
  std::vector<std::string> names;
  for (const auto& [name, value] : point.fields) {
    const std::string encoded = encode_value(value, out.changed_texts);
    const std::string written = writable(name, out.changed_texts);
    if (encoded.empty() || written.empty() || written == "time") {
      ++out.omitted_fields;
      continue;
    }
    names.push_back(written);
    text += (text.empty() ? "" : ",") + escaped(written, ",= ") + "=" + encoded;
  }
  std::sort(names.begin(), names.end());
  if (std::adjacent_find(names.begin(), names.end()) != names.end())
    out.refused = "two fields have the same name";
  if (text.empty()) out.refused = "the point has no field";
  return text;
}

std::int64_t divisor(Precision precision) {
  switch (precision) {
    case Precision::ns:
      return 1;
    case Precision::us:
      return 1'000;
    case Precision::ms:
      return 1'000'000;
    case Precision::s:
      return 1'000'000'000;
  }
  return 1;
}

std::int64_t scaled(std::int64_t time_ns, Precision precision) {
  const std::int64_t unit = divisor(precision);
  const std::int64_t quotient = time_ns / unit;
  return time_ns % unit < 0 ? quotient - 1 : quotient;
}

}  // namespace

EncodedPoint encode_point(const InfluxPoint& point, Precision precision) {
  EncodedPoint out;
  const std::string key = encode_key(point, out);
  const std::string fields = encode_fields(point, out);
  // The two smallest and the largest number stand for "no time" in the server's storage engine.
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min() + 2;
  if (point.time_ns < kLeast || point.time_ns == std::numeric_limits<std::int64_t>::max())
    out.refused = "the time is out of range";
  if (out.refused.empty())
    out.line = fmt::format("{} {} {}\n", key, fields, scaled(point.time_ns, precision));
  return out;
}

std::string with_precision(const std::string& lines, Precision precision) {
  if (precision == Precision::ns) return lines;
  std::string result;
  result.reserve(lines.size());
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = lines.find('\n', begin);  // stands nowhere but at the end of a line
    const std::size_t space = lines.rfind(' ', end);
    std::int64_t time_ns = 0;
    std::from_chars(lines.data() + space + 1, lines.data() + end, time_ns);
    result.append(lines, begin, space + 1 - begin);
    result += fmt::format("{}\n", scaled(time_ns, precision));
    begin = end + 1;
  }
  return result;
}

}  // namespace tl::live
