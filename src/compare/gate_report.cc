#include "compare/gate_report.hh"

#include <fmt/format.h>

#include <algorithm>

#include "compare/report_parts.hh"

namespace tl {
namespace {

using nlohmann::ordered_json;

// For XML 1.0: the five entities, and no control characters, which it cannot hold at all.
std::string in_xml(const std::string& text) {
  std::string safe;
  for (const char c : text) switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&apos;";
        break;
      default:
        safe += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  return safe;
}

// GitHub's workflow commands: percent-encoding of what would end a message or a property.
std::string in_command(const std::string& text, bool is_property) {
  std::string safe;
  for (const char c : text) {
    const bool is_escaped =
        c == '%' || c == '\r' || c == '\n' || (is_property && (c == ':' || c == ','));
    safe += is_escaped ? fmt::format("%{:02X}", static_cast<unsigned char>(c)) : std::string{c};
  }
  return safe;
}

Verdict counted(const GateReport& report, const GateResult& r) {
  return r.verdict == Verdict::inconclusive ? report.policy.on_inconclusive : r.verdict;
}

std::string value_of(const GateResult& r) {
  return r.fresh.empty() ? "not measured" : human_value(median(r.fresh), r.unit);
}

std::string interval_of(const GateResult& r) {
  if (!r.decision || r.base.empty()) return "";
  const Decision& d = *r.decision;
  return fmt::format("{} … {}", human_change(d.difference.low, d.base_median, r.unit),
                     human_change(d.difference.high, d.base_median, r.unit));
}

std::size_t count(const GateReport& report, Verdict verdict) {
  return static_cast<std::size_t>(
      std::count_if(report.results.begin(), report.results.end(),
                    [&](const GateResult& r) { return counted(report, r) == verdict; }));
}

std::string junit_case(const GateReport& report, const GateResult& r) {
  std::string text =
      fmt::format("    <testcase classname=\"trafficlab.gate\" name=\"{}\" time=\"0\"",
                  in_xml(name_of(r.gate)));
  const std::string out =
      fmt::format("<system-out>{}: {} (median of {} runs{})</system-out>", in_xml(r.gate.metric),
                  in_xml(value_of(r)), r.fresh.size(),
                  interval_of(r).empty() ? "" : ", change " + in_xml(interval_of(r)));
  switch (counted(report, r)) {
    case Verdict::pass:
      return text + ">\n      " + out + "\n    </testcase>\n";
    case Verdict::fail:
      return text + fmt::format(
                        ">\n      <failure type=\"{0}\" message=\"{1}\">{1}</failure>\n"
                        "      {2}\n    </testcase>\n",
                        text_of(r.verdict), in_xml(r.reason), out);
    case Verdict::inconclusive:
      return text + fmt::format(
                        ">\n      <skipped message=\"inconclusive: {}\"/>\n"
                        "      {}\n    </testcase>\n",
                        in_xml(r.reason), out);
  }
  return text;
}

ordered_json result_json(const GateReport& report, const GateResult& r) {
  ordered_json j{{"name", name_of(r.gate)},
                 {"metric", r.gate.metric},
                 {"unit", r.unit},
                 {"line", r.gate.line},
                 {"verdict", text_of(r.verdict)},
                 {"counted_as", text_of(counted(report, r))},
                 {"reason", r.reason},
                 {"confidence", r.gate.confidence},
                 {"values", r.fresh},
                 {"baseline", r.base}};
  if (r.decision) {
    j["shift"] = r.decision->shift;
    j["difference_interval"] = {r.decision->difference.low, r.decision->difference.high};
    j["p"] = r.decision->p;
    j["cliffs_delta"] = r.decision->delta;
    j["runs_needed"] =
        r.decision->runs_needed ? ordered_json(*r.decision->runs_needed) : ordered_json();
  }
  return j;
}

}  // namespace

std::string gate_text(const GateReport& report) {
  std::string text;
  for (const Difference& d : report.differences)
    if (d.severity != Severity::cosmetic)
      text +=
          fmt::format("{:<12} {}: {} against {}\n", text_of(d.severity), d.key, d.fresh, d.base);
  for (const GateResult& r : report.results)
    text += fmt::format("{:<12} {:<32} {}\n", text_of(r.verdict), name_of(r.gate), r.reason);
  return text + fmt::format("verdict: {}\n", text_of(report.verdict));
}

std::string gate_markdown(const GateReport& report) {
  std::string text = fmt::format(
      "### trafficlab gate: {}\n\n{} runs, {} of the baseline\n\n"
      "| verdict | gate | median now | baseline | change | why |\n|---|---|---:|---:|---:|---|\n",
      text_of(report.verdict), report.fresh.size(), report.base.size());
  for (const GateResult& r : report.results)
    text += fmt::format("| {} | `{}` | {} | {} | {} | {} |\n", text_of(r.verdict), name_of(r.gate),
                        value_of(r), r.base.empty() ? "" : human_value(median(r.base), r.unit),
                        interval_of(r), markdown_cell(r.reason));
  for (const Difference& d : report.differences)
    if (d.severity != Severity::cosmetic)
      text += fmt::format("\n{}: `{}` is {} against {}", text_of(d.severity), d.key,
                          markdown_cell(d.fresh), markdown_cell(d.base));
  return text + "\n";
}

ordered_json gate_json(const GateReport& report) {
  ordered_json j{{"schema", "trafficlab.gate/1"},
                 {"verdict", text_of(report.verdict)},
                 {"policy", report.policy.file},
                 {"on_inconclusive", text_of(report.policy.on_inconclusive)},
                 {"bootstrap", {{"seed", kBootstrapSeed}, {"resamples", kResamples}}},
                 {"runs", bundles_json(report.fresh)},
                 {"baseline", bundles_json(report.base)}};
  j["differences"] = differences_json(report.differences);
  j["gates"] = ordered_json::array();
  for (const GateResult& r : report.results) j["gates"].push_back(result_json(report, r));
  return j;
}

std::string gate_junit(const GateReport& report) {
  const std::string counts = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\"",
                                         report.results.size(), count(report, Verdict::fail));
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"trafficlab\" {0} "
      "time=\"0\">\n  <testsuite name=\"{1}\" {0} skipped=\"{2}\" time=\"0\">\n",
      counts, in_xml(report.policy.file), count(report, Verdict::inconclusive));
  for (const GateResult& r : report.results) text += junit_case(report, r);
  return text + "  </testsuite>\n</testsuites>\n";
}

std::string gate_annotations(const GateReport& report) {
  std::string text;
  for (const GateResult& r : report.results) {
    if (r.verdict == Verdict::pass) continue;
    text += fmt::format("::{} file={},line={},title={}::{}\n",
                        counted(report, r) == Verdict::fail ? "error" : "warning",
                        in_command(report.policy.file, true), r.gate.line,
                        in_command(name_of(r.gate) + " " + text_of(r.verdict), true),
                        in_command(r.reason, false));
  }
  return text;
}

}  // namespace tl
