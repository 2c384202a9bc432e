#include "pace/cost_row.hh"

#include <fmt/format.h>

#include <array>
#include <ctime>

#include "base/clock.hh"
#include "live/csv.hh"

namespace tl::pace {
namespace {

std::string time_text(std::int64_t time_ns, TimeStyle style) {
  if (style == TimeStyle::iso) return utc_iso(time_ns);
  const std::time_t seconds = time_ns / 1'000'000'000;
  std::tm parts{};
  style == TimeStyle::local ? ::localtime_r(&seconds, &parts) : ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return {text.data(), size};
}

double seconds_of(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

std::string bandwidth_mbps(const CostRow& row) {
  if (!row.error.empty() || row.cost.duration_ns <= 0) return "";
  const double bits = static_cast<double>(row.cost.bytes()) * 8;
  return fmt::format("{:.6f}", bits / seconds_of(row.cost.duration_ns) / 1e6);
}

}  // namespace

std::string cost_header(const RowStyle& style) {
  return std::string{"Timestamp,Metric,Bandwidth (Mbps),Data Size (KB)"} +
         (style.extended ? ",Request (B),Headers (B),Body (B),Duration (s),Interval (s),Samples,"
                           "Changes,Staleness (s),Mode,Error\r\n"
                         : "\r\n");
}

std::string cost_line(const CostRow& row, const RowStyle& style) {
  std::string line =
      fmt::format("{},{},{},{:.6f}", time_text(row.time_ns, style.time), live::csv_cell(row.metric),
                  bandwidth_mbps(row), static_cast<double>(row.cost.bytes()) / 1024);
  if (style.extended)
    line +=
        fmt::format(",{},{},{},{:.6f},{:.3f},{},{},{},{},{}", row.cost.request_bytes,
                    row.cost.header_bytes, row.cost.body_bytes, seconds_of(row.cost.duration_ns),
                    seconds_of(row.interval_ns), row.samples, row.changes,
                    row.staleness_ns ? fmt::format("{:.3f}", seconds_of(*row.staleness_ns)) : "",
                    row.mode, live::csv_cell(row.error));
  return line + "\r\n";
}

}  // namespace tl::pace
