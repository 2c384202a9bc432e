#include <array>
#include <charconv>
#include <cmath>

#include "live/exposition_formats.hh"

namespace tl::live {

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
    return;
  }
  std::array<char, 32> text;  // the longest shortest form has 24 characters
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

void append_canonical(std::string& out, double value) {
  const std::size_t begin = out.size();
  append_number(out, value);
  if (std::isfinite(value) && out.find_first_of(".e", begin) == std::string::npos) out += ".0";
}

void append_escaped(std::string& out, std::string_view bytes, bool quotes) {
  const std::string_view special = quotes ? "\\\n\"" : "\\\n";
  std::size_t begin = 0;
  for (std::size_t at = 0; (at = bytes.find_first_of(special, begin)) != std::string_view::npos;
       begin = at + 1) {
    out += bytes.substr(begin, at - begin);
    out += '\\';
    out += bytes[at] == '\n' ? 'n' : bytes[at];
  }
  out += bytes.substr(begin);
}

void append_seconds(std::string& out, std::int64_t time_ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  append_number(out, static_cast<std::uint64_t>(time_ns / kSecond));
  const std::string fraction = std::to_string(kSecond + time_ns % kSecond);
  out += '.';
  out.append(fraction, 1, fraction.find_last_not_of('0') == 0 ? 1 : fraction.find_last_not_of('0'));
}

}  // namespace tl::live
