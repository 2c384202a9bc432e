#include "compare/comparison_report.hh"

#include <fmt/format.h>

#include <algorithm>

#include "compare/report_parts.hh"

namespace tl {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMostListed = 12;  // differences shown to people

std::string one_line(std::string text, std::size_t most = 60) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.size() <= most ? text : text.substr(0, most - 3) + "...";
}

// What the numbers say at all, whatever the limit.
const char* trend(const MetricComparison& m) {
  if (!m.missing.empty()) return "not compared";
  switch (m.decision.direction) {
    case Verdict::pass:
      return "better";
    case Verdict::fail:
      return "worse";
    case Verdict::inconclusive:
      return "-";
  }
  return "";
}

std::string change_of(const MetricComparison& m) {
  return human_change(m.decision.shift, m.decision.base_median, m.unit);
}

std::string interval_of(const MetricComparison& m) {
  const Decision& d = m.decision;
  return fmt::format("{} … {}", human_change(d.difference.low, d.base_median, m.unit),
                     human_change(d.difference.high, d.base_median, m.unit));
}

std::string head(const Comparison& c) {
  return fmt::format("{} runs against {} ({} % confidence{}{})", c.fresh.size(), c.base.size(),
                     c.options.confidence * 100, c.options.is_paired ? ", paired" : "",
                     c.options.is_forced ? ", forced" : "");
}

ordered_json metric_json(const MetricComparison& m) {
  ordered_json j{{"name", m.name},
                 {"unit", m.unit},
                 {"is_judged", m.is_judged},
                 {"base", m.base},
                 {"fresh", m.fresh}};
  if (!m.missing.empty()) {
    j["missing"] = m.missing;
    return j;
  }
  const Decision& d = m.decision;
  j["base_median"] = d.base_median;
  j["fresh_median"] = d.fresh_median;
  j["difference_interval"] = {d.difference.low, d.difference.high};
  j["shift"] = d.shift;
  j["cliffs_delta"] = d.delta;
  j["p"] = d.p;
  j["trend"] = trend(m);
  j["verdict"] = text_of(d.verdict);
  j["reason"] = d.reason;
  j["runs_needed"] = d.runs_needed ? ordered_json(*d.runs_needed) : ordered_json();
  return j;
}

}  // namespace

std::string comparison_text(const Comparison& c) {
  std::string text = head(c) + "\n";
  for (std::size_t i = 0; i < std::min(kMostListed, c.differences.size()); ++i) {
    const Difference& d = c.differences[i];
    text += fmt::format("  {:<9} {}: {} against {}\n", text_of(d.severity), d.key,
                        one_line(d.fresh), one_line(d.base));
  }
  if (c.differences.size() > kMostListed)
    text += fmt::format("  … and {} more (--json has all)\n", c.differences.size() - kMostListed);
  if (!c.metrics.empty())
    text += fmt::format("{:<26} {:>14} {:>14} {:>10} {:>22} {:>8} {:>6}  {}\n", "metric",
                        "baseline", "now", "shift", "of the medians", "p", "delta", "trend");
  for (const MetricComparison& m : c.metrics) {
    const Decision& d = m.decision;
    const std::string name = (m.is_judged ? "* " : "  ") + m.name;
    if (!m.missing.empty())
      text += fmt::format("{:<26} not compared: {}\n", name, m.missing);
    else
      text += fmt::format("{:<26} {:>14} {:>14} {:>10} {:>22} {:>8.4f} {:>+6.2f}  {}\n", name,
                          human_value(d.base_median, m.unit), human_value(d.fresh_median, m.unit),
                          change_of(m), interval_of(m), d.p, d.delta, trend(m));
  }
  return text + fmt::format("verdict: {}: {}\n", text_of(c.verdict), c.reason);
}

std::string comparison_markdown(const Comparison& c) {
  std::string text = fmt::format("**{}**: {}\n\n{}\n\n", text_of(c.verdict), c.reason, head(c));
  if (std::any_of(c.differences.begin(), c.differences.end(),
                  [](const Difference& d) { return d.severity != Severity::cosmetic; }))
    text += "| difference | class | baseline | now |\n|---|---|---|---|\n";
  for (const Difference& d : c.differences)
    if (d.severity != Severity::cosmetic)
      text += fmt::format("| `{}` | {} | {} | {} |\n", d.key, text_of(d.severity),
                          markdown_cell(d.base), markdown_cell(d.fresh));
  if (!c.metrics.empty())
    text +=
        "\n| metric | baseline | now | shift | interval | p | Cliff's delta | trend |\n"
        "|---|---:|---:|---:|---:|---:|---:|---|\n";
  for (const MetricComparison& m : c.metrics) {
    const Decision& d = m.decision;
    if (!m.missing.empty())
      text += fmt::format("| `{}` | | | | | | | not compared: {} |\n", m.name,
                          markdown_cell(m.missing));
    else
      text += fmt::format("| {0}`{1}`{0} | {2} | {3} | {4} | {5} | {6:.4f} | {7:+.2f} | {8} |\n",
                          m.is_judged ? "**" : "", m.name, human_value(d.base_median, m.unit),
                          human_value(d.fresh_median, m.unit), change_of(m), interval_of(m), d.p,
                          d.delta, trend(m));
  }
  return text;
}

std::string comparison_csv(const Comparison& c) {
  std::string text =
      "metric,unit,is_judged,base_runs,fresh_runs,base_median,fresh_median,shift,low,high,p,"
      "cliffs_delta,trend,verdict\n";
  for (const MetricComparison& m : c.metrics) {
    const Decision& d = m.decision;
    text += fmt::format("{},{},{},{},{}", m.name, m.unit, m.is_judged ? 1 : 0, m.base.size(),
                        m.fresh.size());
    text += m.missing.empty()
                ? fmt::format(",{},{},{},{},{},{},{},{},{}\n", d.base_median, d.fresh_median,
                              d.shift, d.difference.low, d.difference.high, d.p, d.delta, trend(m),
                              text_of(d.verdict))
                : ",,,,,,,,not compared,inconclusive\n";
  }
  return text;
}

ordered_json comparison_json(const Comparison& c) {
  ordered_json j{
      {"schema", "trafficlab.compare/1"},
      {"verdict", text_of(c.verdict)},
      {"reason", c.reason},
      {"confidence", c.options.confidence},
      {"limit", {{"amount", c.options.limit.amount}, {"is_relative", c.options.limit.is_relative}}},
      {"is_paired", c.options.is_paired},
      {"is_forced", c.options.is_forced},
      {"bootstrap", {{"seed", kBootstrapSeed}, {"resamples", kResamples}}},
      {"base", bundles_json(c.base)},
      {"fresh", bundles_json(c.fresh)}};
  j["differences"] = differences_json(c.differences);
  j["metrics"] = ordered_json::array();
  for (const MetricComparison& m : c.metrics) j["metrics"].push_back(metric_json(m));
  return j;
}

}  // namespace tl
