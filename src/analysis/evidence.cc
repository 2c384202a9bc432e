#include "analysis/evidence.hh"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "analysis/capture_evidence.hh"
#include "analysis/rtt.hh"
#include "base/errors.hh"
#include "base/fd.hh"
#include "bundle/counter_csv.hh"
#include "bundle/iperf_result.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::chrono::nanoseconds kSeriesInterval{10'000'000};

Amounts read_amounts(const json& values) {
  return {values.at("rx_bytes").get<std::int64_t>(), values.at("rx_packets").get<std::int64_t>(),
          values.at("tx_bytes").get<std::int64_t>(), values.at("tx_packets").get<std::int64_t>()};
}

// What passed the counters and captures, but not the driver: its tx_packets and tx_bytes lack it.
// The bytes are 0 where only the number of packets is known.
Amounts read_refused(const json& device) {
  const auto refused = device.find("refused");
  if (refused == device.end()) return {};
  const json& bytes = refused->at("tx_bytes");
  return {.tx_bytes = bytes.is_null() ? 0 : bytes.get<std::int64_t>(),
          .tx_packets = refused->at("tx_packets").get<std::int64_t>()};
}

// An Ethernet header; the largest super-packet (GSO_MAX_SIZE, linux/netdevice.h).
constexpr std::int64_t kLeastFrameBytes = 14, kMostFrameBytes = 8 * 65536;

// Bytes of refused packets of which only the number is known are what is missing, if with them
// every packet is there, and so many can have that size.
void size_refused(ServiceEvidence& service, std::int64_t packets) {
  const std::int64_t missing = service.counted->tx_bytes - service.device->tx_bytes;
  if (service.counted->tx_packets != service.device->tx_packets) return;
  if (missing < packets * kLeastFrameBytes || missing > packets * kMostFrameBytes) return;
  service.refused_bytes = missing;
  service.device->tx_bytes += missing;
}

void add(Amounts& sum, const Amounts& more, std::int64_t sign = 1) {
  sum.rx_bytes += sign * more.rx_bytes;
  sum.rx_packets += sign * more.rx_packets;
  sum.tx_bytes += sign * more.tx_bytes;
  sum.tx_packets += sign * more.tx_packets;
}

class Reader {
 public:
  explicit Reader(const fs::path& folder) : folder_{folder} {}

  Evidence read() {
    attempt([&] { read_counters(); });
    attempt([&] { read_buckets(); });
    attempt([&] { read_traffic(); });
    for (ServiceEvidence& service : evidence_.services)
      attempt([&] { read_service_capture(service); });
    attempt([&] { read_exchange(); });
    return std::move(evidence_);
  }

 private:
  template <class Part>
  void attempt(Part&& part) {
    try {
      part();
    } catch (const std::exception& e) {
      evidence_.problems.emplace_back(e.what());
    }
  }

  json read_json(const fs::path& file) const {
    try {
      return json::parse(read_file(folder_ / file));
    } catch (const json::exception& e) {
      throw MeasurementError{fmt::format("read {}: {}", file.native(), e.what())};
    }
  }
  [[nodiscard]] bool has(const fs::path& file) const { return fs::exists(folder_ / file); }

  void read_counters() {
    if (!has("counters/counters.json")) return;
    const json account = read_json("counters/counters.json");
    counted_ = {account.value("opened_ns", INT64_MIN), account.value("closed_ns", INT64_MAX)};
    for (const json& point : account.at("points")) {
      ServiceEvidence service;
      service.service = point.at("service").get<std::string>();
      service.counted.emplace();
      service.device.emplace();
      std::int64_t unsized = 0;  // refused packets
      for (const json& device : point.at("devices")) {
        if (device.at("name") == "lo") continue;
        add(*service.counted, read_amounts(device.at("counted")));
        add(*service.device, read_amounts(device.at("statistics_after")));
        add(*service.device, read_amounts(device.at("statistics_before")), -1);
        const Amounts refused = read_refused(device);
        add(*service.device, refused);
        if (refused.tx_bytes == 0) unsized += refused.tx_packets;
      }
      if (unsized != 0) size_refused(service, unsized);
      evidence_.services.push_back(std::move(service));
    }
  }

  ServiceEvidence* find(std::string_view service) {
    const auto found = std::find_if(evidence_.services.begin(), evidence_.services.end(),
                                    [&](const ServiceEvidence& e) { return e.service == service; });
    return found == evidence_.services.end() ? nullptr : &*found;
  }

  void read_buckets() {
    if (!has("counters/container.csv")) return;
    each_counter_row(folder_ / "counters/container.csv", [&](const CounterRow& row) {
      ServiceEvidence* service = find(row.series);
      if (service == nullptr) return;
      if (!service->buckets) service->buckets.emplace();
      add(*service->buckets, {static_cast<std::int64_t>(row.values.rx_bytes),
                              static_cast<std::int64_t>(row.values.rx_packets),
                              static_cast<std::int64_t>(row.values.tx_bytes),
                              static_cast<std::int64_t>(row.values.tx_packets)});
    });
  }

  void read_service_capture(ServiceEvidence& service) {
    const std::string file = "captures/" + service.service + ".capture.json";
    if (!has(file)) return;
    const json account = read_json(file);
    const json &rx = account.at("rx"), &tx = account.at("tx");
    service.capture_account =
        Amounts{rx.at("bytes"), rx.at("packets"), tx.at("bytes"), tx.at("packets")};
    service.capture_dropped = account.at("kernel_dropped").get<std::int64_t>();
    service.is_filtered =
        !account.at("filter").get_ref<const std::string&>().empty() || account.at("discarded") != 0;
    const auto mac = parse_mac(account.value("mac", ""));
    if (!mac) return;
    CaptureEvidence capture =
        read_capture(folder_, service.service, *mac, kSeriesInterval, counted_);
    service.capture = capture.frames;
    service.capture_outside = capture.outside;
    service.captured_payload_bytes = capture.tx_payload_bytes;
    service.streams = std::move(capture.streams);
    const Distribution& rtt = capture.rtt[static_cast<std::size_t>(data_receiver_)].rtt;
    for (const std::uint32_t per_mille : {500U, 990U})
      if (!rtt.empty()) service.rtt_percentiles_ns[per_mille] = rtt.percentile_ns(per_mille);
    evidence_.documents.merge(capture.documents);
    if (!capture.damage.empty())
      evidence_.problems.push_back(
          fmt::format("captures/{}.pcap: {}", service.service, capture.damage));
  }

  void read_exchange() {
    const ServiceEvidence *client = find("iperf-client"), *server = find("iperf-server");
    if (client == nullptr || server == nullptr || !client->capture || !server->capture) return;
    evidence_.documents["analysis/exchange.json"] =
        exchange_document(folder_, client->service, server->service);
  }

  void read_traffic() {
    const IperfResult client = read_iperf(folder_ / "iperf/client.json");
    const IperfResult server = read_iperf(folder_ / "iperf/server.json");
    if (client.error || server.error) return;
    const json& start = client.document.at("start");
    const json& test = start.at("test_start");
    TrafficEvidence traffic;
    traffic.is_tcp = test.at("protocol") == "TCP";
    traffic.is_reverse = test.value("reverse", 0) != 0;
    traffic.sender = traffic.is_reverse ? "iperf-server" : "iperf-client";
    traffic.receiver = traffic.is_reverse ? "iperf-client" : "iperf-server";
    for (const json& stream : start.at("connected"))
      traffic.streams.emplace_back(stream.at("local_port").get<std::uint16_t>(),
                                   stream.at("remote_port").get<std::uint16_t>());
    const IperfResult& sender = traffic.is_reverse ? server : client;
    const IperfResult& receiver = traffic.is_reverse ? client : server;
    traffic.bytes_sent = static_cast<std::int64_t>(sender.bytes_sent);
    traffic.bytes_received = static_cast<std::int64_t>(receiver.bytes_received);
    if (test.value("omit", 0) != 0)
      traffic.not_checkable = "iperf left the first seconds out of its numbers (--omit)";
    else if (test.value("bidir", 0) != 0 ||
             client.document.at("end").contains("sum_sent_bidir_reverse"))
      traffic.not_checkable = "data went both ways (--bidir)";
    else if (test.at("protocol") == "SCTP")
      traffic.not_checkable = "streams of SCTP are not followed";
    data_receiver_ = traffic.is_reverse ? RttEnd::client : RttEnd::server;
    evidence_.traffic = std::move(traffic);
  }

  fs::path folder_;
  TimeSpan counted_;
  RttEnd data_receiver_ = RttEnd::server;  // who acknowledges the data
  Evidence evidence_;
};

}  // namespace

Evidence read_evidence(const fs::path& folder) { return Reader{folder}.read(); }

}  // namespace tl
