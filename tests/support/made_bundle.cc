#include "support/made_bundle.hh"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "bundle/manifest.hh"

namespace tl::test {
namespace {

using nlohmann::json;

constexpr std::int64_t kFirstNs = 1'795'000'000'000'000'000;
constexpr std::int64_t kIntervalNs = 10'000'000;
constexpr std::size_t kEdge = 10;  // silent buckets at both ends

void write_counters(const std::filesystem::path& folder, const MadeBundle& wanted) {
  std::ofstream csv{folder / "counters" / "container.csv"};
  csv << "time_ns,container,rx_bytes,rx_packets,tx_bytes,tx_packets,rx_wire_bytes,"
         "rx_wire_packets,tx_wire_bytes,tx_wire_packets\n";
  for (std::size_t i = 0; i < wanted.buckets; ++i)
    for (std::size_t s = 0; s < wanted.services.size(); ++s) {
      const bool is_active = i >= kEdge && i + kEdge < wanted.buckets;
      const std::uint64_t data = is_active ? 1'000'000 + (i * 7919 + s * 104'729) % 50'000 : 0;
      const std::uint64_t acks = is_active ? 6600 + i % 66 : 0;
      const auto& [rx, tx] = s == 0 ? std::pair{data, acks} : std::pair{acks, data};
      csv << fmt::format("{},{},{},{},{},{},{},{},{},{}\n",
                         kFirstNs + static_cast<std::int64_t>(i) * kIntervalNs, wanted.services[s],
                         rx, rx / 1000, tx, tx / 1000, rx + rx / 20, rx / 900, tx + tx / 20,
                         tx / 900);
    }
}

json iperf_document(bool is_client) {
  json intervals = json::array();
  for (int i = 0; i < 8; ++i)
    intervals.push_back({{"sum",
                          {{"start", i * 0.1},
                           {"end", (i + 1) * 0.1},
                           {"seconds", 0.1},
                           {"bytes", 9'600'000 + i * 10'000},
                           {"retransmits", i == 3 ? 2 : 0},
                           {"omitted", false},
                           {"sender", is_client}}}});
  const json sum = {{"bytes", 77'000'000}, {"seconds", 0.8}, {"bits_per_second", 770e6}};
  const json connection = {{"local_port", is_client ? 40001 : 5201},
                           {"remote_port", is_client ? 5201 : 40001}};
  return {{"start",
           {{"version", "iperf 3.12"},
            {"connected", {connection}},
            {"test_start", {{"protocol", "TCP"}, {"duration", 1}, {"num_streams", 1}}}}},
          {"intervals", intervals},
          {"end", {{"sum_sent", sum}, {"sum_received", sum}}}};
}

json analysis_document() {
  const json side = {{"retransmitted_bytes", 2896}};
  const json rtt = {{"count", 1000},     {"min_ns", 1000},
                    {"p50_ns", 20'000},  {"p90_ns", 60'000},
                    {"p95_ns", 80'000},  {"p99_ns", 100'000},
                    {"max_ns", 200'000}, {"histogram", {{1000, 2000, 200}, {16'000, 32'000, 800}}}};
  return {{"flows",
           {{{"protocol", "tcp"},
             {"client", "198.18.0.3"},
             {"client_port", 40001},
             {"server", "198.18.0.2"},
             {"server_port", 5201},
             {"first_ns", kFirstNs + 10 * kIntervalNs},
             {"last_ns", kFirstNs + 90 * kIntervalNs},
             {"packets", 80'000},
             {"frame_bytes", 80'000'000},
             {"payload_bytes", 77'000'000},
             {"from_client", side},
             {"from_server", side}}}},
          {"flow_count", 1},
          {"rtt", {{"total", {{{"end", "server"}, {"rtt", rtt}}}}}}};
}

json reconciliation_document(const std::string& verdict) {
  const json terms = {{{"name", "counters"}, {"value", 1234567}, {"source", "counters"}},
                      {{"name", "device"}, {"value", 1234567}, {"source", "counters"}}};
  return {{"schema", "trafficlab.reconciliation/1"},
          {"identities",
           {{{"name", "counters = device statistics"},
             {"service", "iperf-server"},
             {"direction", "rx"},
             {"unit", "bytes"},
             {"terms", terms},
             {"difference", verdict == "exact" ? 0 : 1448},
             {"verdict", verdict},
             {"reason", nullptr}}}}};
}

json metrics_document() {
  return {{"schema", "trafficlab.metrics/1"},
          {"metrics",
           {{{"name", "goodput"},
             {"unit", "bit/s"},
             {"direction", "iperf-server"},
             {"better", "higher"},
             {"value", 13309052768.165743},
             {"reason", nullptr},
             {"definition", "payload received over the length of the test"}},
            {{"name", "cpu_per_gb"},
             {"unit", "s"},
             {"value", nullptr},
             {"reason", "no CPU times in the bundle"},
             {"definition", "CPU seconds for each GB received"}}}}};
}

void write(const std::filesystem::path& file, const json& document) {
  std::ofstream{file} << document.dump(1);
}

}  // namespace

void make_bundle(const std::filesystem::path& folder, const MadeBundle& wanted) {
  for (const char* sub : {"counters", "iperf", "analysis"})
    std::filesystem::create_directories(folder / sub);
  write_counters(folder, wanted);
  if (wanted.has_iperf) {
    write(folder / "iperf" / "client.json", iperf_document(true));
    write(folder / "iperf" / "server.json", iperf_document(false));
  }
  if (wanted.has_analysis) {
    write(folder / "analysis" / "iperf-server.json", analysis_document());
    write(folder / "reconciliation.json", reconciliation_document(wanted.identity_verdict));
    write(folder / "metrics.json", metrics_document());
  }
  const std::int64_t last_ns = kFirstNs + static_cast<std::int64_t>(wanted.buckets) * kIntervalNs;
  write_manifest(
      folder, {{"schema", kBundleSchema},
               {"outcome",
                {{"verdict", wanted.verdict},
                 {"phase", "report"},
                 {"reason", wanted.reason.empty() ? json() : json(wanted.reason)}}},
               {"started", "2026-11-18T11:06:40.000000000Z"},
               {"run_id", "abc123"},
               {"argv", {"trafficlab", "run", "--name", "a b"}},
               {"experiment", "name: made\n"},
               {"engine", {{"name", "netns"}, {"reason", "as asked"}}},
               {"phases",
                {{{"name", "traffic"}, {"start_ns", kFirstNs + 5 * kIntervalNs}},
                 {{"name", "stop"}, {"start_ns", last_ns - 5 * kIntervalNs}}}},
               {"traffic_window",
                {{"start_ns", kFirstNs + 5 * kIntervalNs}, {"end_ns", last_ns - 5 * kIntervalNs}}},
               {"host", {{"kernel", {{"release", "6.18.0"}}}, {"distribution", "</script><b>&"}}},
               {"versions", {{"trafficlab", "0.1.0+test"}}}});
}

}  // namespace tl::test
