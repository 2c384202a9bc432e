#include "live/run_summary.hh"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/errors.hh"
#include "base/fd.hh"
#include "bundle/manifest.hh"
#include "spec/parse.hh"

namespace tl::live {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A run that ended early has no traffic window, and one that ended at once no phase.
std::int64_t end_of(const json& manifest) {
  const json window = manifest.value("traffic_window", json());
  if (window.is_object() && window.value("end_ns", std::int64_t{0}) > 0)
    return window.at("end_ns").get<std::int64_t>();
  const json phases = manifest.value("phases", json::array());
  return phases.empty() ? 0 : phases.back().value("start_ns", std::int64_t{0});
}

std::vector<SummaryMetric> measured(const json& document) {
  std::vector<SummaryMetric> metrics;
  if (!document.is_object()) return metrics;  // a run that failed may have none
  for (const json& m : document.at("metrics"))
    if (m.at("value").is_number())
      metrics.push_back({m.at("name"), m.at("unit"), m.at("direction"), m.value("definition", ""),
                         m.at("value").get<double>()});
  return metrics;
}

RunSummary read_run(const fs::path& bundle, const json& manifest) {
  const json& outcome = manifest.at("outcome");
  return {manifest.value("run_id", ""),
          parse_experiment_text(manifest.at("experiment"), "experiment.yaml").name,
          outcome.at("verdict"),
          outcome.at("exit_code"),
          end_of(manifest),
          measured(json::parse(read_value(bundle / "metrics.json", ""), nullptr, false))};
}

// How a unit of metrics.json is written in Prometheus, which wants base units: the word at the end
// of the name, and what a value is divided by (a power of two, so that nothing is rounded).
struct Unit {
  std::string word;
  double divisor = 1;
};

Unit prometheus_unit(const std::string& unit) {
  static const std::map<std::string, Unit> kUnits{{"bit/s", {"bytes_per_second", 8}},
                                                  {"s", {"seconds"}},
                                                  {"B", {"bytes"}},
                                                  {"1", {"ratio"}},
                                                  {"s/GB", {"seconds_per_gigabyte"}},
                                                  {"packets", {"packets"}}};
  const auto found = kUnits.find(unit);
  return found == kUnits.end() ? Unit{} : found->second;
}

std::string family_name(const SummaryMetric& metric) {
  const std::string word = prometheus_unit(metric.unit).word;
  // A name must not hold the word of a metric type.
  const std::string name = metric.name == "counter_loss" ? "uncounted" : metric.name;
  if (word.empty() || name.ends_with("_" + word)) return "trafficlab_run_" + name;
  return "trafficlab_run_" + name + "_" + word;
}

Labels labels_of(const RunSummary& run) {
  return {{"run_id", run.run_id}, {"experiment", run.experiment}};
}

void add_outcomes(std::vector<Family>& families, const std::vector<RunSummary>& runs) {
  Family info{"trafficlab_run", "How the run ended.", Type::info, "", {}};
  Family success{"trafficlab_run_success", "1: the run's verdict is pass.", Type::gauge, "", {}};
  Family end{"trafficlab_run_end_timestamp_seconds",
             "When the run's traffic ended.",
             Type::gauge,
             "seconds",
             {}};
  for (const RunSummary& run : runs) {
    Labels labels = labels_of(run);
    success.points.push_back(number_point(labels, run.verdict == "pass" ? 1.0 : 0.0));
    end.points.push_back(number_point(labels, static_cast<double>(run.end_ns) / 1e9));
    labels.emplace_back("verdict", run.verdict);
    info.points.push_back(number_point(std::move(labels), 1.0));
  }
  for (Family* family : {&info, &success, &end}) families.push_back(std::move(*family));
}

}  // namespace

std::vector<RunSummary> read_run_summaries(const fs::path& bundle) {
  const json manifest = read_manifest(bundle);
  if (!manifest.contains("runs")) return {read_run(bundle, manifest)};
  std::vector<RunSummary> runs;
  for (const json& run : manifest.at("runs")) {
    if (run.value("is_warmup", false)) continue;
    const fs::path folder = run_of_series(bundle, run);
    runs.push_back(read_run(folder, read_manifest(folder)));
  }
  return runs;
}

std::vector<Family> run_families(const std::vector<RunSummary>& runs) {
  std::vector<Family> families;
  add_outcomes(families, runs);
  for (const RunSummary& run : runs)
    for (const SummaryMetric& metric : run.metrics) {
      const std::string name = family_name(metric);
      auto family = std::find_if(families.begin(), families.end(),
                                 [&](const Family& f) { return f.name == name; });
      if (family == families.end())
        family = families.insert(families.end(), {name, metric.definition, Type::gauge, "", {}});
      Labels labels = labels_of(run);
      labels.emplace_back("direction", metric.direction);
      family->points.push_back(
          number_point(std::move(labels), metric.value / prometheus_unit(metric.unit).divisor));
    }
  return families;
}

std::vector<InfluxPoint> run_points(const std::vector<RunSummary>& runs) {
  std::vector<InfluxPoint> points;
  for (const RunSummary& run : runs) {
    points.push_back({"trafficlab_run",
                      labels_of(run),
                      {{"success", run.verdict == "pass" ? 1.0 : 0.0},
                       {"exit_code", std::int64_t{run.exit_code}},
                       {"verdict", run.verdict}},
                      run.end_ns});
    std::map<std::string, InfluxPoint> by_direction;
    for (const SummaryMetric& metric : run.metrics) {
      InfluxPoint& point = by_direction[metric.direction];
      point.fields.emplace_back(metric.name, metric.value);
    }
    for (auto& [direction, point] : by_direction) {
      point.measurement = "trafficlab_run";
      point.tags = labels_of(run);
      point.tags.emplace_back("direction", direction);
      point.time_ns = run.end_ns;
      points.push_back(std::move(point));
    }
  }
  return points;
}

}  // namespace tl::live
