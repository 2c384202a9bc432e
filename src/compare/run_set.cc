#include "compare/run_set.hh"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.hh"
#include "base/fd.hh"
#include "bundle/manifest.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kMetricsSchema = "trafficlab.metrics/1";

Better better_of(const std::string& text) {
  if (text == "higher") return Better::higher;
  return text == "lower" ? Better::lower : Better::neither;
}

std::string string_or_empty(const json& object, const char* key) {
  return object.contains(key) && object.at(key).is_string() ? object.at(key).get<std::string>()
                                                            : "";
}

Metric metric_from(const json& j) {
  Metric m;
  m.name = string_or_empty(j, "name");
  m.unit = string_or_empty(j, "unit");
  m.direction = string_or_empty(j, "direction");
  m.better = better_of(string_or_empty(j, "better"));
  if (j.contains("value") && j.at("value").is_number()) m.value = j.at("value").get<double>();
  m.reason = string_or_empty(j, "reason");
  m.definition = string_or_empty(j, "definition");
  return m;
}

// A run that failed early has no metrics.json: it stays in the set, with no value of anything.
std::vector<Metric> read_metrics(const fs::path& bundle) {
  const fs::path file = bundle / "metrics.json";
  if (!fs::is_regular_file(file)) return {};
  const json document = json::parse(read_file(file), nullptr, false);
  if (!document.is_object() || string_or_empty(document, "schema") != kMetricsSchema ||
      !document.contains("metrics"))
    throw UsageError{
        fmt::format("read {}: not of schema {} (made by another trafficlab, or damaged)",
                    file.native(), kMetricsSchema)};
  std::vector<Metric> metrics;
  for (const json& one : document.at("metrics")) metrics.push_back(metric_from(one));
  return metrics;
}

// The runs of a series for which `is_wanted` holds; the series' manifest lists them in order.
template <class Wanted>
RunSet runs_inside(const fs::path& series, const json& manifest, Wanted&& is_wanted) {
  RunSet runs;
  for (const json& run : manifest.at("runs"))
    if (!run.value("is_warmup", false) && is_wanted(run))
      runs.push_back(read_run(run_of_series(series, run)));
  return runs;
}

}  // namespace

const Metric* MeasuredRun::find(const std::string& name) const {
  const auto found =
      std::find_if(metrics.begin(), metrics.end(), [&](const Metric& m) { return m.name == name; });
  return found == metrics.end() ? nullptr : &*found;
}

MeasuredRun read_run(const fs::path& bundle) {
  return {bundle, read_manifest(bundle), read_metrics(bundle)};
}

RunSet read_runs(const std::vector<fs::path>& paths) {
  RunSet all;
  for (const fs::path& path : paths) {
    json manifest = read_manifest(path);
    if (manifest.contains("runs")) {
      for (MeasuredRun& run : runs_inside(path, manifest, [](const json&) { return true; }))
        all.push_back(std::move(run));
    } else {
      all.push_back({path, std::move(manifest), read_metrics(path)});
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (fs::equivalent(all[i].bundle, all[k].bundle))
        throw UsageError{
            fmt::format("{}: given twice (each run counts once)", all[i].bundle.native())};
  return all;
}

RunSet read_arm(const fs::path& series, const std::string& arm) {
  const json manifest = read_manifest(series);
  if (!manifest.contains("runs"))
    throw UsageError{fmt::format("{}: one run, not a series of runs", series.native())};
  return runs_inside(series, manifest,
                     [&](const json& run) { return string_or_empty(run, "arm") == arm; });
}

Values values_of(const RunSet& runs, const std::string& metric) {
  Values found;
  for (const MeasuredRun& run : runs) {
    const Metric* m = run.find(metric);
    if (m != nullptr && m->value) {
      found.values.push_back(*m->value);
    } else if (found.missing.empty()) {
      const std::string name = run.bundle.filename().native();
      found.missing = fmt::format("{}: {}", name.empty() ? run.bundle.native() : name,
                                  m == nullptr ? "its metrics.json has no such metric" : m->reason);
    }
  }
  return found;
}

}  // namespace tl
