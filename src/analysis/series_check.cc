#include "analysis/series_check.hh"

#include <fmt/format.h>

namespace tl {
namespace {

void add(SeriesCheck::Series& s, const CounterRow& row, std::int64_t interval_ns) {
  if (s.rows == 0) {
    s.first_ns = row.time_ns;
  } else {
    const std::int64_t step_ns = row.time_ns - s.last_ns;
    if (step_ns <= 0 || step_ns % interval_ns != 0)
      ++s.misplaced;
    else
      s.missing += static_cast<std::uint64_t>(step_ns / interval_ns - 1);
  }
  s.last_ns = row.time_ns;
  s.sum += row.values;
  ++s.rows;
}

}  // namespace

SeriesCheck check_series(const std::filesystem::path& file, std::int64_t interval_ns) {
  SeriesCheck check;
  std::string key;
  each_counter_row(file, [&](const CounterRow& row) {
    key.assign(row.series);
    add(check.series[key], row, interval_ns);
  });
  const std::string name = file.filename().native();
  if (check.series.empty()) check.problems.push_back(name + " holds no rows");
  for (const auto& [series, s] : check.series) {
    const auto& first = check.series.begin()->second;
    if (s.missing + s.misplaced > 0)
      check.problems.push_back(
          fmt::format("{}: series '{}' misses {} buckets and has {} misplaced rows", name, series,
                      s.missing, s.misplaced));
    if (s.first_ns != first.first_ns || s.last_ns != first.last_ns || s.rows != first.rows)
      check.problems.push_back(fmt::format(
          "{}: series '{}' does not cover the same buckets as the first series", name, series));
  }
  return check;
}

}  // namespace tl
