#include "analysis/capture_summary.hh"

#include <doctest/doctest.h>

#include "analysis/capture_report.hh"
#include "support/analysed.hh"

namespace tl::analysis_capture_summary_test {
using namespace tl::test;

namespace {

constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

Bytes segment(std::size_t payload_bytes, std::uint8_t flags = kAck, const Bytes& options = {},
              bool from_client = true) {
  const Tcp header{.source_port = static_cast<std::uint16_t>(from_client ? 40000 : 5201),
                   .destination_port = static_cast<std::uint16_t>(from_client ? 5201 : 40000),
                   .flags = flags,
                   .options = options,
                   .payload_bytes = payload_bytes};
  return ethernet(ipv4(from_client ? "198.18.0.2" : "198.18.0.3",
                       from_client ? "198.18.0.3" : "198.18.0.2", 6, tcp(header)));
}

nlohmann::json as_json(const Analysed& analysed) {
  std::string text = "{";
  const Write write = [&](std::string_view part) { text += part; };
  write_summary(write, ReportForm::json, analysed.reader, analysed.summary);
  write(",");
  write_series(write, ReportForm::json, analysed.series);
  write(",");
  write_flows(write, ReportForm::json, analysed.pass.flows(), {});
  return nlohmann::json::parse(text + "}");
}

}  // namespace

TEST_CASE("R-3 summary: packets, both sums of bytes, truncation, order, rates") {
  const auto analysed = analyse(pcap_file({{kStart, segment(100)},
                                           {kStart + 2'000'000'000, Bytes(60, 1), 1500},
                                           {kStart + 1'000'000'000, arp()}}));
  const SummaryTotals& t = analysed->totals();
  CHECK(t.packets == 3);
  CHECK(t.frame_bytes == 154 + 1500 + 42);
  CHECK(t.captured_bytes == 154 + 60 + 42);
  CHECK(t.truncated == 1);
  CHECK(t.smallest == 42);
  CHECK(t.largest == 1500);
  CHECK(t.time.duration_ns() == 2'000'000'000);
  CHECK(t.back_steps == 1);
  CHECK(t.largest_back_step_ns == 1'000'000'000);
  CHECK(std::get<double>(analysed->summary.packets_per_second()) == doctest::Approx(1.5));
  CHECK(std::get<double>(analysed->summary.bits_per_second()) == doctest::Approx(1696 * 4));
}

TEST_CASE("R-3 rates without a duration are null with a reason, never infinite") {
  for (const auto& packets :
       {std::vector<MadePacket>{}, {{kStart, arp()}}, {{kStart, arp()}, {kStart, arp()}}}) {
    const auto analysed = analyse(pcap_file(packets));
    CHECK(std::holds_alternative<std::string>(analysed->summary.bits_per_second()));
    const auto json = as_json(*analysed);
    CHECK(json.at("bits_per_second").is_null());
    CHECK(json.at("bits_per_second_reason").is_string());
    CHECK(json.at("packets") == packets.size());
  }
}

TEST_CASE("packets that are odd, all in the same way, are each counted") {
  // A fragment behind which more bytes were captured than the packet had.
  const Bytes frame =
      ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(1, 2, 20), 0x2000)) + Bytes(8, 0);
  const auto length = static_cast<std::uint32_t>(frame.size()) - 4;
  for (const std::size_t count : {1U, 3U, 200U}) {
    std::vector<MadePacket> packets;
    for (std::size_t i = 0; i < count; ++i) packets.push_back({kStart, frame, length});
    const auto analysed = analyse(pcap_file(packets));
    CHECK(analysed->totals().caplen_over_length == count);
    CHECK(analysed->totals().fragments == count);
    CHECK(analysed->pass.flows().flow(0).fragments == count);
  }
}

TEST_CASE("R-11 super-packets are counted, with the segments that MSS and options make of them") {
  const Bytes timestamps = option_timestamps(1, 1);
  const auto analysed =
      analyse(pcap_file({{kStart, segment(0, kSyn, option_mss(1460))},
                         {kStart, segment(0, kSyn | kAck, option_mss(1400), false)},
                         {kStart, segment(1388, kAck, timestamps)},
                         {kStart, segment(13880, kAck, timestamps)},
                         {kStart, segment(13881, kAck, timestamps)}}));
  const SuperPackets& super = analysed->totals().super;
  CHECK(super.packets == 2);
  CHECK(super.segments == 10 + 11);  // 1400 - 12 of options = 1388 each
  CHECK(super.by_mss == 2);
  CHECK(super.by_mtu == 0);
  CHECK(super.frame_bytes == 13880 + 13881 + 2 * 66);
  CHECK(super.wire_bytes == super.frame_bytes + (9 + 10) * 66);
}

TEST_CASE("R-11 without a SYN the MTU gives the segment size, also beyond 64 KiB") {
  const auto analysed =
      analyse(pcap_file({{kStart, segment(100'000, kAck, option_timestamps(1, 1))}}));
  const SuperPackets& super = analysed->totals().super;
  CHECK(super.packets == 1);
  CHECK(super.by_mtu == 1);
  CHECK(super.segments == (100'000 + 1447) / 1448);
  CHECK(analysed->totals().length_derived == 1);
}

TEST_CASE("summary, series and flows in JSON are one object whose sums agree") {
  std::vector<MadePacket> packets;
  for (int i = 0; i < 100; ++i) packets.push_back({kStart + i * 1'000'000, segment(10)});
  packets.push_back({kStart, arp()});
  const auto json = as_json(*analyse(pcap_file(packets)));
  CHECK(json.at("total").at("frame_bytes") == json.at("frame_bytes"));
  std::uint64_t sum = 0;
  for (const auto& bin : json.at("series").at("bins")) sum += bin.at(3).get<std::uint64_t>();
  CHECK(json.at("frame_bytes") == sum);
  CHECK(json.at("flows").size() == 1);
  CHECK(json.at("flows").at(0).at("from_client").at("payload_bytes") == 1000);
  CHECK(json.at("stop").at("reason") == "end");
}

TEST_CASE("interfaces of pcapng are told apart, with the drops the capture reports") {
  PcapngMaker maker;
  maker.section()
      .interface({.name = "eth0"})
      .interface({.name = std::string{"bad\xFFname"}})
      .enhanced(0, 1, arp())
      .enhanced(1, 2, arp())
      .enhanced(1, 3, segment(0))
      .statistics(1, 5, 3);
  const auto json = as_json(*analyse(maker.bytes()));
  const auto& list = json.at("interface_list");
  REQUIRE(list.size() == 2);
  CHECK(list.at(0).at("packets") == 1);
  CHECK(list.at(1).at("packets") == 2);
  CHECK(list.at(1).at("reported_dropped") == 3);
  CHECK(list.at(0).at("reported_dropped").is_null());
}
}  // namespace tl::analysis_capture_summary_test
