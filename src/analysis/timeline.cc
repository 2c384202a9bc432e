#include "analysis/timeline.hh"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.hh"
#include "bundle/counter_csv.hh"

namespace tl {
namespace {

TimelineSeries& series_of(Timeline& timeline, std::string_view name) {
  const auto found = std::find_if(timeline.series.begin(), timeline.series.end(),
                                  [&](const TimelineSeries& s) { return s.name == name; });
  if (found != timeline.series.end()) return *found;
  timeline.series.push_back({std::string{name}, {}});
  return timeline.series.back();
}

void append(TimelineSeries& series, const CounterValues& v) {
  const std::array values{v.rx_bytes,      v.rx_packets,      v.tx_bytes,      v.tx_packets,
                          v.rx_wire_bytes, v.rx_wire_packets, v.tx_wire_bytes, v.tx_wire_packets};
  for (std::size_t i = 0; i < values.size(); ++i) series.columns[i].push_back(values[i]);
}

// Takes one row, which must be at the time that its series has come to.
void take(Timeline& timeline, const CounterRow& row) {
  if (timeline.series.empty()) timeline.first_ns = row.time_ns;
  TimelineSeries& series = series_of(timeline, row.series);
  const auto done = static_cast<std::int64_t>(series[Column::rx_bytes].size());
  if (done == 1 && timeline.interval_ns == 0)
    timeline.interval_ns = row.time_ns - timeline.first_ns;
  if (row.time_ns != timeline.first_ns + done * timeline.interval_ns)
    throw MeasurementError{
        fmt::format("the buckets of {} are not evenly spaced at {} ns", series.name, row.time_ns)};
  append(series, row.values);
}

void finish(Timeline& timeline) {
  if (timeline.series.empty()) throw MeasurementError{"there are no buckets"};
  timeline.buckets = timeline.series.front()[Column::rx_bytes].size();
  if (timeline.interval_ns <= 0) throw MeasurementError{"there are fewer than two buckets"};
  for (const TimelineSeries& s : timeline.series)
    if (s[Column::rx_bytes].size() != timeline.buckets)
      throw MeasurementError{
          fmt::format("{} has not as many buckets as {}", s.name, timeline.series.front().name)};
}

}  // namespace

Timeline read_timeline(const std::filesystem::path& file) {
  Timeline timeline;
  try {
    each_counter_row(file, [&](const CounterRow& row) { take(timeline, row); });
    finish(timeline);
  } catch (const Error& e) {
    timeline = {};
    timeline.missing = fmt::format("{}: {}", file.filename().native(), e.what());
  }
  return timeline;
}

}  // namespace tl
