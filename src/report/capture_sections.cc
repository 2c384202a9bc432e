#include "report/capture_sections.hh"

#include <algorithm>
#include <string>
#include <vector>

namespace tl {
namespace {

using nlohmann::json;

constexpr std::size_t kMostFlows = 50;

bool has_samples(const json& distribution) {
  return distribution.is_object() && distribution.value("count", std::uint64_t{0}) > 0;
}

json flow_row(const json& flow, std::int64_t origin_ns) {
  json row;
  for (const char* key : {"protocol", "client", "client_port", "server", "server_port", "packets",
                          "frame_bytes", "payload_bytes"})
    row[key] = flow.value(key, json());
  row["start_ns"] = flow.value("first_ns", origin_ns) - origin_ns;
  row["length_ns"] =
      flow.value("last_ns", std::int64_t{0}) - flow.value("first_ns", std::int64_t{0});
  std::int64_t retransmitted = 0;
  for (const char* side : {"from_client", "from_server"})
    if (flow.contains(side)) retransmitted += flow.at(side).value("retransmitted_bytes", 0LL);
  row["retransmitted_bytes"] = retransmitted;
  return row;
}

}  // namespace

json flow_section(const json& captures, std::int64_t origin_ns) {
  for (const char* service : {"iperf-server", "iperf-client"}) {
    const json& capture = captures.at(service);
    if (!capture.contains("flows")) continue;
    std::vector<json> rows;
    for (const json& flow : capture.at("flows")) rows.push_back(flow_row(flow, origin_ns));
    std::stable_sort(rows.begin(), rows.end(), [](const json& a, const json& b) {
      return a.at("frame_bytes") > b.at("frame_bytes");
    });
    const std::size_t count = rows.size();
    if (rows.size() > kMostFlows) rows.resize(kMostFlows);
    return {{"from", service}, {"flow_count", capture.value("flow_count", count)}, {"flows", rows}};
  }
  return {{"missing", "no analysed capture is in the bundle"}};
}

json rtt_section(const json& captures) {
  json sides = json::array();
  for (const char* service : {"iperf-client", "iperf-server"}) {
    const json& capture = captures.at(service);
    if (!capture.contains("rtt")) continue;
    for (const json& total : capture.at("rtt").value("total", json::array())) {
      const json distribution = total.value("rtt", json());
      if (!has_samples(distribution)) continue;
      json side = distribution;
      side["capture"] = service;
      side["end"] = total.value("end", "");
      sides.push_back(side);
    }
  }
  if (sides.empty()) return {{"missing", "no TCP round-trip times in the captures"}};
  return {{"sides", sides}};
}

json delay_section(const json& exchange) {
  if (!exchange.contains("paths"))
    return {{"missing", exchange.value("missing", "analysis/exchange.json has no paths")}};
  json paths = json::array();
  for (const json& path : exchange.at("paths")) {
    const json delay = path.value("delay", json());
    if (!has_samples(delay)) continue;
    json row = delay;
    for (const char* key : {"source_ip", "destination_ip", "lost_packets", "duplicated_packets",
                            "reordered_packets", "reorder_extent"})
      row[key] = path.value(key, json());
    paths.push_back(row);
  }
  if (paths.empty()) return {{"missing", "no packet was found in both captures"}};
  return {{"paths", paths}};
}

}  // namespace tl
