#include <fmt/core.h>

#include "analysis/capture_report.hh"
#include "base/clock.hh"

namespace tl {
namespace {

std::string_view by_name(SeriesBy by) {
  switch (by) {
    case SeriesBy::total:
      return "total";
    case SeriesBy::direction:
      return "direction";
    case SeriesBy::port:
      return "port";
    case SeriesBy::flow:
      return "flow";
  }
  return "";
}

std::string numbers(const Tally& tally) {
  return fmt::format("{},{},{},{}", tally.packets, tally.frame_bytes, tally.ip_bytes,
                     tally.payload_bytes);
}

// Names without a time: what is in no bin.
void for_each_rest(const TimeSeries& series, const auto& use) {
  if (series.untimed().packets != 0) use("untimed", series.untimed());
  if (series.over_limit().packets != 0) use("over_limit", series.over_limit());
}

void write_csv(const Write& write, const TimeSeries& series) {
  write(fmt::format("time_ns,{},packets,frame_bytes,ip_bytes,payload_bytes\n",
                    by_name(series.options().by)));
  for (const TimeSeries::Row& row : series.rows())
    write(fmt::format("{},{},{}\n", row.start_ns, series.label(row.label), numbers(row.tally)));
  for_each_rest(series, [&](std::string_view name, const Tally& tally) {
    write(fmt::format(",{},{}\n", name, numbers(tally)));
  });
}

void write_json(const Write& write, const TimeSeries& series) {
  write(
      fmt::format("\"series\": {{\"by\": \"{}\", \"interval_ns\": {}, \"origin_ns\": {},\n"
                  "\"columns\": [\"time_ns\", \"{}\", \"packets\", \"frame_bytes\", \"ip_bytes\", "
                  "\"payload_bytes\"],\n\"bins\": [",
                  by_name(series.options().by), series.options().interval.count(),
                  series.options().origin_ns, by_name(series.options().by)));
  bool first = true;
  for (const TimeSeries::Row& row : series.rows()) {
    write(fmt::format("{}[{},\"{}\",{}]", first ? "\n" : ",\n", row.start_ns,
                      series.label(row.label), numbers(row.tally)));
    first = false;
  }
  write("\n]");
  for_each_rest(series, [&](std::string_view name, const Tally& tally) {
    write(fmt::format(",\n\"{}\": [{}]", name, numbers(tally)));
  });
  write("}");
}

void write_text(const Write& write, const TimeSeries& series) {
  write(fmt::format("{:<30} {:>10} {:>14} {:>14} {:>14}  {}\n", "interval start (UTC)", "packets",
                    "frame bytes", "ip bytes", "payload bytes", by_name(series.options().by)));
  const auto line = [&](const std::string& time, const Tally& tally, std::string_view label) {
    write(fmt::format("{:<30} {:>10} {:>14} {:>14} {:>14}  {}\n", time, tally.packets,
                      tally.frame_bytes, tally.ip_bytes, tally.payload_bytes, label));
  };
  for (const TimeSeries::Row& row : series.rows())
    line(row.start_ns >= 0 ? utc_iso(row.start_ns) : std::to_string(row.start_ns) + " ns",
         row.tally, series.label(row.label));
  for_each_rest(series, [&](std::string_view name, const Tally& tally) { line("", tally, name); });
}

}  // namespace

void write_series(const Write& write, ReportForm form, const TimeSeries& series) {
  switch (form) {
    case ReportForm::text:
      return write_text(write, series);
    case ReportForm::csv:
      return write_csv(write, series);
    case ReportForm::json:
      return write_json(write, series);
  }
}

}  // namespace tl
