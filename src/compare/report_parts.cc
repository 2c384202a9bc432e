#include "compare/report_parts.hh"

#include <fmt/format.h>

#include <cmath>

#include "base/units.hh"

namespace tl {

using nlohmann::ordered_json;

namespace {
constexpr double kMostTimes = 10;  // changes beyond are told in the unit
}

std::string human_value(double value, const std::string& unit) {
  const double size = std::abs(value);
  if (unit == "bit/s" && value >= 0) return human_bitrate(value);
  if (unit == "B" && value >= 0) return human_bytes(static_cast<std::uint64_t>(value));
  if (unit == "s" && size > 0 && size < 1e-3) return fmt::format("{:.1f} us", value * 1e6);
  if (unit == "s" && size > 0 && size < 1) return fmt::format("{:.2f} ms", value * 1e3);
  return unit == "1" ? fmt::format("{:.4g}", value) : fmt::format("{:.4g} {}", value, unit);
}

std::string human_change(double difference, double base, const std::string& unit) {
  // A share of next to nothing says nothing.
  if (base != 0 && std::abs(difference) < kMostTimes * std::abs(base))
    return fmt::format("{:+.1f} %", difference / std::abs(base) * 100);
  if (difference == 0) return "0";
  return (difference < 0 ? "-" : "+") + human_value(std::abs(difference), unit);
}

std::string markdown_cell(const std::string& text) {
  std::string safe;
  for (const char c : text) safe += c == '|' ? "\\|" : std::string{c == '\n' ? ' ' : c};
  return safe;
}

ordered_json bundles_json(const RunSet& runs) {
  ordered_json list = ordered_json::array();
  for (const MeasuredRun& run : runs) list.push_back(run.bundle.native());
  return list;
}

ordered_json differences_json(const std::vector<Difference>& differences) {
  ordered_json list = ordered_json::array();
  for (const Difference& d : differences)
    list.push_back(
        {{"key", d.key}, {"class", text_of(d.severity)}, {"base", d.base}, {"fresh", d.fresh}});
  return list;
}

}  // namespace tl
