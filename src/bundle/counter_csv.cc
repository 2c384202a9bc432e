#include "bundle/counter_csv.hh"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <string>

#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::size_t kValueColumns = 8;
constexpr std::string_view kValueHeader =
    "rx_bytes,rx_packets,tx_bytes,tx_packets,rx_wire_bytes,rx_wire_packets,tx_wire_bytes,tx_wire_"
    "packets";

bool parse_number(std::string_view text, auto& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

// Splits "time,name…,8 numbers" from both ends: the naming columns between are kept as they are.
bool parse_row(std::string_view line, CounterRow& row) {
  std::array<std::uint64_t, kValueColumns> numbers{};
  for (std::size_t i = kValueColumns; i-- > 0;) {
    const std::size_t comma = line.rfind(',');
    if (comma == std::string_view::npos || !parse_number(line.substr(comma + 1), numbers[i]))
      return false;
    line = line.substr(0, comma);
  }
  const std::size_t comma = line.find(',');
  if (!parse_number(line.substr(0, comma), row.time_ns)) return false;
  row.series = comma == std::string_view::npos ? std::string_view{} : line.substr(comma + 1);
  row.values = {numbers[0], numbers[1], numbers[2], numbers[3],
                numbers[4], numbers[5], numbers[6], numbers[7]};
  return true;
}

}  // namespace

CounterValues& CounterValues::operator+=(const CounterValues& o) {
  rx_bytes += o.rx_bytes;
  rx_packets += o.rx_packets;
  tx_bytes += o.tx_bytes;
  tx_packets += o.tx_packets;
  rx_wire_bytes += o.rx_wire_bytes;
  rx_wire_packets += o.rx_wire_packets;
  tx_wire_bytes += o.tx_wire_bytes;
  tx_wire_packets += o.tx_wire_packets;
  return *this;
}

void each_counter_row(const std::filesystem::path& file,
                      const std::function<void(const CounterRow&)>& visit) {
  std::ifstream lines{file};
  std::string line;
  if (!lines || !std::getline(lines, line))
    throw MeasurementError{"read " + file.native() + ": missing or empty"};
  if (!line.starts_with("time_ns,") || !line.ends_with(kValueHeader))
    throw MeasurementError{file.native() + ":1: not a counter stream (unknown header)"};
  CounterRow row;
  for (std::size_t number = 2; std::getline(lines, line); ++number) {
    if (!parse_row(line, row))
      throw MeasurementError{fmt::format("{}:{}: not a row of counters", file.native(), number)};
    visit(row);
  }
}

}  // namespace tl
