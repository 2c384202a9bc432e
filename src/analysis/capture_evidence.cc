#include "analysis/capture_evidence.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "analysis/capture_pair.hh"
#include "analysis/capture_report.hh"
#include "analysis/capture_summary.hh"
#include "analysis/exchange_report.hh"
#include "analysis/rtt.hh"
#include "analysis/rtt_report.hh"
#include "analysis/time_series.hh"

namespace tl {
namespace {

constexpr std::size_t kMostFlowRows = 1000;  // in the document; the others are summed
constexpr std::size_t kSourceOffset = 6;     // of the source address in an Ethernet header

// Frames by direction of the tap's own device.
class DirectionCount : public Observer {
 public:
  DirectionCount(const MacAddress& mac, const TimeSpan& within) : mac_{mac}, within_{within} {}
  [[nodiscard]] Depth depth() const override { return Depth::headers; }
  void on_batch(const Batch& batch) override {
    for (std::size_t i = 0; i < batch.packets.size(); ++i) {
      const Packet& p = batch.packets[i];
      const bool is_tx = p.captured_bytes >= kSourceOffset + mac_.size() &&
                         std::memcmp(p.data + kSourceOffset, mac_.data(), mac_.size()) == 0;
      count(frames_, p, is_tx);
      if (is_tx) tx_payload_bytes_ += batch.infos[i].payload_bytes;
      if (p.time_ns < within_.from_ns || p.time_ns >= within_.to_ns) count(outside_, p, is_tx);
    }
  }
  [[nodiscard]] const Amounts& frames() const { return frames_; }
  [[nodiscard]] const Amounts& outside() const { return outside_; }
  [[nodiscard]] std::int64_t tx_payload_bytes() const { return tx_payload_bytes_; }

 private:
  static void count(Amounts& amounts, const Packet& packet, bool is_tx) {
    (is_tx ? amounts.tx_bytes : amounts.rx_bytes) += packet.length_bytes;
    (is_tx ? amounts.tx_packets : amounts.rx_packets) += 1;
  }

  MacAddress mac_;
  TimeSpan within_;
  Amounts frames_, outside_;
  std::int64_t tx_payload_bytes_ = 0;
};

CapturedStream::Side side_of(const FlowSide& side) {
  return {static_cast<std::int64_t>(side.tally.payload_bytes),
          static_cast<std::int64_t>(side.sequence.span_bytes()),
          static_cast<std::int64_t>(side.sequence.retransmitted_bytes()),
          static_cast<std::int64_t>(side.sequence.gap_bytes())};
}

std::vector<CapturedStream> streams_of(const FlowTable& flows) {
  std::vector<CapturedStream> streams;
  for (std::uint32_t i = 0; i < flows.size(); ++i) {
    const Flow& flow = flows.flow(i);
    if (flow.key.protocol != kProtocolTcp && flow.key.protocol != kProtocolUdp) continue;
    streams.push_back({flow.key.protocol == kProtocolTcp ? "tcp" : "udp", flow.client().port,
                       flow.server().port, side_of(flow.sides[0]), side_of(flow.sides[1])});
  }
  return streams;
}

std::string pcap_path(const std::filesystem::path& folder, const std::string& service) {
  return (folder / "captures" / (service + ".pcap")).native();
}

}  // namespace

std::optional<MacAddress> parse_mac(const std::string& text) {
  MacAddress mac{};
  int end = 0;
  if (std::sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
                  &mac[3], &mac[4], &mac[5], &end) != 6 ||
      static_cast<std::size_t>(end) != text.size())
    return std::nullopt;
  return mac;
}

CaptureEvidence read_capture(const std::filesystem::path& folder, const std::string& service,
                             const MacAddress& mac, std::chrono::nanoseconds interval,
                             const TimeSpan& within) {
  CaptureReader reader = CaptureReader::open(pcap_path(folder, service));
  Pass pass{reader};
  CaptureSummary summary{CaptureSummary::kDefaultMtu, &pass.flows()};
  SeriesOptions series_options;
  series_options.interval = interval;
  series_options.by = SeriesBy::direction;
  TimeSeries series{series_options, pass.flows()};
  RttObserver rtt;
  DirectionCount directions{mac, within};
  pass.want_flows();
  for (Observer* observer : std::array<Observer*, 4>{&summary, &series, &rtt, &directions})
    pass.add(*observer);
  const Stop& stop = pass.run();

  CaptureEvidence found;
  found.frames = directions.frames();
  found.outside = directions.outside();
  found.tx_payload_bytes = directions.tx_payload_bytes();
  found.streams = streams_of(pass.flows());
  found.rtt = rtt.table().totals();
  if (stop.reason != StopReason::end) found.damage = stop_json(stop).dump();
  std::string json = fmt::format(
      "{{\"schema\": \"trafficlab.pcap.summary/1\",\n\"file\": \"captures/{}.pcap\",\n", service);
  const Write to_json = [&](std::string_view text) { json += text; };
  FlowListOptions flow_options;
  flow_options.top = kMostFlowRows;
  RttReportOptions rtt_options;
  rtt_options.top = kMostFlowRows;
  write_summary(to_json, ReportForm::json, reader, summary);
  to_json(",\n");
  write_flows(to_json, ReportForm::json, pass.flows(), flow_options);
  to_json(",\n");
  write_rtt(to_json, ReportForm::json, rtt, pass.flows(), rtt_options);
  to_json("}\n");
  std::string csv;
  write_series([&](std::string_view text) { csv += text; }, ReportForm::csv, series);
  found.documents = {{"analysis/" + service + ".json", std::move(json)},
                     {"analysis/" + service + ".series.csv", std::move(csv)}};
  return found;
}

std::string exchange_document(const std::filesystem::path& folder, const std::string& a,
                              const std::string& b) {
  const PathPair paths{pcap_path(folder, a), pcap_path(folder, b)};
  const PacketPrinter printer{common_bytes(paths)};
  ExchangeOptions options;
  options.is_whole = true;
  ExchangeDiff diff{options, printer};
  const std::array<Stop, 2> stops = compare_exchange(paths, diff);
  std::string json = fmt::format(
      "{{\"schema\": \"trafficlab.pcap.diff.exchange/1\",\n\"a\": \"captures/{}.pcap\",\n\"b\": "
      "\"captures/{}.pcap\",\n",
      a, b);
  write_exchange([&](std::string_view text) { json += text; }, ReportForm::json, diff);
  json += fmt::format(",\n\"stops\": {{\"a\": {}, \"b\": {}}}}}\n", stop_json(stops[0]).dump(),
                      stop_json(stops[1]).dump());
  return json;
}

}  // namespace tl
