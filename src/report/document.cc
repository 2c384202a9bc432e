#include "report/document.hh"

#include <fmt/format.h>

#include "base/fd.hh"
#include "report/capture_sections.hh"
#include "report/environment_section.hh"
#include "report/timeline_section.hh"

namespace tl {
namespace {

using nlohmann::json;

// A document of the bundle, or {"missing": reason}.
json read_document(const std::filesystem::path& bundle, const std::string& name) {
  if (!std::filesystem::is_regular_file(bundle / name))
    return {{"missing", name + " is not in the bundle"}};
  json document = json::parse(read_file(bundle / name), nullptr, false);
  if (!document.is_object()) return {{"missing", name + " is not a JSON object"}};
  return document;
}

json member(const json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object.at(key) : json();
}

// The beginning of the page's time: the opening of the gate, or of the counters without one.
std::int64_t origin_of(const json& manifest, const Timeline& timeline) {
  const json window = member(manifest, "traffic_window");
  const std::int64_t gate_ns = window.is_object() ? window.value("start_ns", std::int64_t{0}) : 0;
  return gate_ns != 0 ? gate_ns : timeline.first_ns;
}

json phases(const json& manifest, std::int64_t origin_ns) {
  json list = json::array();
  for (const json& phase : member(manifest, "phases"))
    list.push_back({{"name", phase.value("name", "")},
                    {"start_ns", phase.value("start_ns", std::int64_t{0}) - origin_ns}});
  return list;
}

json run_section(const ReportInput& input) {
  const json& m = input.manifest;
  const json engine = member(m, "engine");
  return {{"name", input.name},
          {"run_id", m.value("run_id", "")},
          {"started", m.value("started", "")},
          {"finished", m.value("finished", "")},
          {"engine", engine.is_object() ? engine.value("name", "") : ""},
          {"argv", member(m, "argv")},
          {"experiment", m.value("experiment", "")},
          {"version", member(member(m, "versions"), "trafficlab")},
          {"problems", member(m, "problems")}};
}

}  // namespace

ReportDocument make_document(const ReportInput& input) {
  ReportDocument report;
  const std::filesystem::path& bundle = input.bundle;
  report.timeline = read_timeline(bundle / "counters" / "container.csv");
  const std::int64_t origin_ns = origin_of(input.manifest, report.timeline);
  json& d = report.json;
  d["schema"] = "trafficlab.report/1";
  d["origin_ns"] = std::to_string(origin_ns);  // as text: a script's numbers end at 2^53
  d["outcome"] = member(input.manifest, "outcome");
  d["run"] = run_section(input);
  d["phases"] = phases(input.manifest, origin_ns);
  d["summary"] = read_document(bundle, "summary.json");
  d["reconciliation"] = read_document(bundle, "reconciliation.json");
  d["metrics"] = read_document(bundle, "metrics.json");
  const std::vector<IperfTrack> tracks{read_iperf_track(bundle, "client"),
                                       read_iperf_track(bundle, "server")};
  const json captures = {{"iperf-client", read_document(bundle, "analysis/iperf-client.json")},
                         {"iperf-server", read_document(bundle, "analysis/iperf-server.json")}};
  d["iperf"] = iperf_section(tracks, captures, origin_ns);
  d["timeline"] = timeline_section(report.timeline, tracks, input.manifest, origin_ns);
  d["flows"] = flow_section(captures, origin_ns);
  d["rtt"] = rtt_section(captures);
  d["delay"] = delay_section(read_document(bundle, "analysis/exchange.json"));
  d["environment"] = environment_section(input.manifest);
  return report;
}

}  // namespace tl
