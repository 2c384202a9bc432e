#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/errors.hh"
#include "base/units.hh"
#include "pace/pace_run.hh"

namespace tl::pace {
namespace {

double to_seconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

double saved_percent(const MetricReport& metric) {
  return 100 - 100 * static_cast<double>(metric.summary.wire_bytes) /
                   static_cast<double>(metric.fixed_bytes);
}

std::string fixed_text(const PaceReport& report, const MetricReport& m) {
  if (m.instant_bytes == 0)
    return "  fixed polling: not compared, the last query was not answered\n";
  std::string text =
      fmt::format("  every {}: {} bytes ({:+.1f} % with this pace)\n",
                  format_duration(report.interval), m.fixed_bytes, -saved_percent(m));
  if (m.equal.polls > 0 && m.summary.timed_changes > 0)
    text += fmt::format(
        "  fixed polling for the same bytes: every {:.1f} s, mean staleness {:.3f} s, p95 {:.3f} "
        "s\n",
        to_seconds(m.equal.interval_ns), to_seconds(m.equal.mean_ns), to_seconds(m.equal.p95_ns));
  return text;
}

std::string metric_text(const PaceReport& report, const MetricReport& m) {
  const FreshnessSummary& s = m.summary;
  std::string text = fmt::format(
      "{}\n  polls: {} ({} failed, {} showed a change), median interval {:.1f} s, {} bytes on the "
      "wire\n",
      m.expression, s.polls, s.failed_polls, s.useful_polls, to_seconds(s.median_interval_ns),
      s.wire_bytes);
  if (!m.last_error.empty()) text += fmt::format("  last error: {}\n", m.last_error);
  if (s.timed_changes > 0)
    text += fmt::format(
        "  changes: {}, staleness mean {:.3f} s, p95 {:.3f} s, p99 {:.3f} s, longest {:.3f} s\n",
        s.changes, to_seconds(s.mean_ns), to_seconds(s.p95_ns), to_seconds(s.p99_ns),
        to_seconds(s.longest_ns));
  else if (s.changes > 0)
    text += fmt::format("  changes: {} polls showed one; when they were is not known\n", s.changes);
  else
    text += "  changes: none seen\n";
  return text + (report.mode == PaceMode::adaptive ? fixed_text(report, m) : "");
}

nlohmann::ordered_json metric_json(const MetricReport& m) {
  const FreshnessSummary& s = m.summary;
  nlohmann::ordered_json json{{"query", m.expression},
                              {"polls", s.polls},
                              {"failed_polls", s.failed_polls},
                              {"last_error", nullptr},
                              {"useful_polls", s.useful_polls},
                              {"changes", s.changes},
                              {"wire_bytes", s.wire_bytes},
                              {"median_interval_ns", s.median_interval_ns},
                              {"staleness", nullptr},
                              {"instant_poll_bytes", nullptr},
                              {"fixed", nullptr},
                              {"fixed_at_equal_bytes", nullptr}};
  if (!m.last_error.empty()) json["last_error"] = m.last_error;
  if (s.timed_changes > 0)
    json["staleness"] = {{"changes", s.timed_changes},
                         {"mean_ns", s.mean_ns},
                         {"p95_ns", s.p95_ns},
                         {"p99_ns", s.p99_ns},
                         {"longest_ns", s.longest_ns}};
  if (m.instant_bytes == 0) return json;
  json["instant_poll_bytes"] = m.instant_bytes;
  json["fixed"] = {{"wire_bytes", m.fixed_bytes}, {"saved_percent", saved_percent(m)}};
  json["fixed_at_equal_bytes"] = {{"interval_ns", m.equal.interval_ns},
                                  {"mean_ns", m.equal.mean_ns},
                                  {"p95_ns", m.equal.p95_ns},
                                  {"p99_ns", m.equal.p99_ns}};
  return json;
}

}  // namespace

std::string report_text(const PaceReport& report) {
  std::string text = fmt::format("{} pace over {:.1f} s\n",
                                 report.mode == PaceMode::adaptive ? "adaptive" : "baseline",
                                 to_seconds(report.elapsed_ns));
  for (const MetricReport& metric : report.metrics) text += metric_text(report, metric);
  return text;
}

std::string report_json(const PaceReport& report) {
  nlohmann::ordered_json json{{"schema", "trafficlab.pace/1"},
                              {"mode", report.mode == PaceMode::adaptive ? "adaptive" : "baseline"},
                              {"elapsed_ns", report.elapsed_ns},
                              {"fixed_interval_ns", report.interval.count()},
                              {"metrics", nlohmann::ordered_json::array()}};
  for (const MetricReport& metric : report.metrics) json["metrics"].push_back(metric_json(metric));
  return json.dump(1) + "\n";
}

void check_answers(const PaceReport& report, const std::string& url) {
  std::vector<std::string> reasons;
  for (const MetricReport& m : report.metrics)
    if (m.summary.polls == m.summary.failed_polls)
      reasons.push_back(
          fmt::format("{}: {}", m.expression, m.last_error.empty() ? "not polled" : m.last_error));
  if (reasons.empty()) return;
  const std::string what = reasons.size() == report.metrics.size()
                               ? "no poll was answered"
                               : fmt::format("{} of {} metrics were never answered", reasons.size(),
                                             report.metrics.size());
  throw MeasurementError{fmt::format("poll {}: {} ({})", url, what, fmt::join(reasons, "; "))};
}

}  // namespace tl::pace
