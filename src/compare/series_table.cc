#include "compare/series_table.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/errors.hh"
#include "bundle/manifest.hh"
#include "compare/report_parts.hh"
#include "compare/run_set.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::array kShown{"goodput", "longest_stall", "rtt_p50", "rtt_p99"};

struct ListedRun {
  json entry;  // in the series' manifest
  MeasuredRun run;
};

struct ListedSeries {
  json manifest;
  std::vector<ListedRun> runs;

  // The settings that vary, in a fixed order; none for repetitions and pairs.
  [[nodiscard]] std::vector<std::string> axes() const {
    std::vector<std::string> paths;
    if (manifest.contains("arms") && !manifest.at("arms").empty())
      for (const auto& [path, value] : manifest.at("arms").begin()->items()) paths.push_back(path);
    return paths;
  }
  [[nodiscard]] std::string value(const std::string& arm, const std::string& path) const {
    return manifest.at("arms").at(arm).at(path).get<std::string>();
  }
};

ListedSeries read_series(const fs::path& folder) {
  ListedSeries series{read_manifest(folder), {}};
  if (!series.manifest.contains("runs"))
    throw UsageError{fmt::format("{}: one run, not a series of runs", folder.native())};
  for (const json& entry : series.manifest.at("runs"))
    series.runs.push_back({entry, read_run(run_of_series(folder, entry))});
  return series;
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string{"\"\""} : std::string{c};
  return quoted + '"';
}

std::vector<std::string> metric_names(const ListedSeries& series) {
  std::vector<std::string> names;
  for (const ListedRun& one : series.runs)
    for (const Metric& m : one.run.metrics)
      if (std::find(names.begin(), names.end(), m.name) == names.end()) names.push_back(m.name);
  return names;
}

std::string csv_of(const ListedSeries& series) {
  const std::vector<std::string> axes = series.axes(), metrics = metric_names(series);
  std::string text = "run,bundle,arm";
  for (const std::string& path : axes) text += "," + csv_cell(path);
  text += ",round,is_warmup,verdict";
  for (const std::string& name : metrics) text += "," + csv_cell(name);
  text += "\r\n";
  for (std::size_t i = 0; i < series.runs.size(); ++i) {
    const auto& [entry, run] = series.runs[i];
    const std::string arm = entry.at("arm").get<std::string>();
    text += fmt::format("{},{},{}", i + 1, csv_cell(entry.at("bundle").get<std::string>()), arm);
    for (const std::string& path : axes) text += "," + csv_cell(series.value(arm, path));
    text += fmt::format(",{},{},{}", entry.at("round").dump(), entry.at("is_warmup").dump(),
                        entry.at("verdict").get<std::string>());
    for (const std::string& name : metrics) {
      const Metric* m = run.find(name);
      text += m != nullptr && m->value ? fmt::format(",{}", *m->value) : ",";
    }
    text += "\r\n";
  }
  return text;
}

std::string spread_of(const RunSet& runs, const std::string& metric) {
  const Values found = values_of(runs, metric);
  if (found.values.empty()) return "–";
  const Metric* m = runs.front().find(metric);
  const std::string unit = m == nullptr ? "" : m->unit;
  const auto [low, high] = std::minmax_element(found.values.begin(), found.values.end());
  return fmt::format("{} ({} … {})", human_value(median(found.values), unit),
                     human_value(*low, unit), human_value(*high, unit));
}

std::string markdown_of(const ListedSeries& series) {
  const std::vector<std::string> axes = series.axes();
  std::map<std::string, RunSet> arms;
  for (const auto& [entry, run] : series.runs)
    if (!entry.at("is_warmup").get<bool>()) arms[entry.at("arm").get<std::string>()].push_back(run);
  std::string text = "| arm |", rule = "|---|";
  const auto column = [&](const std::string& name) {
    text += " " + markdown_cell(name) + " |";
    rule += "---|";
  };
  for (const std::string& path : axes) column(path);
  column("runs");
  for (const char* metric : kShown) column(metric);
  text += "\n" + rule + "\n";
  for (const auto& [arm, runs] : arms) {
    text += "| " + arm + " |";
    for (const std::string& path : axes)
      text += " " + markdown_cell(series.value(arm, path)) + " |";
    text += fmt::format(" {} |", runs.size());
    for (const char* metric : kShown) text += " " + spread_of(runs, metric) + " |";
    text += "\n";
  }
  return text + "\nMedian (lowest … highest) over the runs that count.\n";
}

}  // namespace

SeriesTables series_tables(const fs::path& folder) {
  const ListedSeries series = read_series(folder);
  return {csv_of(series), markdown_of(series)};
}

}  // namespace tl
