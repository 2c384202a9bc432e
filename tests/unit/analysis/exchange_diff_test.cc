#include "analysis/exchange_diff.hh"

#include <doctest/doctest.h>

#include <algorithm>

#include "analysis/capture_pair.hh"
#include "analysis/exchange_report.hh"
#include "support/tcp_simulation.hh"
#include "support/tcp_talk.hh"
#include "support/temporary.hh"

namespace tl::analysis_exchange_diff_test {
using namespace tl::test;

namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kStart = TcpTalk::kStart;
using Packets = std::vector<MadePacket>;

struct Compared {
  explicit Compared(const Packets& a, const Packets& b, const ExchangeOptions& options = {},
                    std::uint32_t snaplen_b = 262144) {
    const PathPair paths{folder.path() / "a.pcap", folder.path() / "b.pcap"};
    PcapOptions cut;
    cut.snaplen = snaplen_b;
    write_file(paths[0], pcap_file(a));
    write_file(paths[1], pcap_file(b, cut));
    is_one = is_one_exchange(paths);
    printer = std::make_unique<PacketPrinter>(common_bytes(paths));
    diff = std::make_unique<ExchangeDiff>(options, *printer);
    for (const Stop& stop : compare_exchange(paths, *diff)) CHECK(stop.clean());
    for (const PathDiff& path : diff->paths())
      for (unsigned c = 0; c < 2; ++c)
        CHECK(path.seen[c].packets == path.matched[c].packets + path.partly[c].packets +
                                          path.only[c].packets + path.duplicated[c].packets +
                                          path.before[c].packets + path.beyond[c].packets +
                                          path.given_up[c].packets);
  }
  // From this address.
  [[nodiscard]] const PathDiff& from(const std::string& source) const {
    std::uint8_t version = 0;
    const auto address = address_from_text(source, version);
    for (const PathDiff& path : diff->paths())
      if (path.source == *address) return path;
    FAIL("no packets from " << source);
    return diff->paths().front();
  }
  [[nodiscard]] const PathDiff& there() const { return from(TcpTalk::kClient); }
  [[nodiscard]] const PathDiff& back() const { return from(TcpTalk::kServer); }

  TemporaryFolder folder;
  bool is_one = false;
  std::unique_ptr<PacketPrinter> printer;
  std::unique_ptr<ExchangeDiff> diff;
};

Packets udp_stream(int count, std::int64_t delay_ns, std::uint16_t identity = 1) {
  Packets packets;
  for (int i = 0; i < count; ++i) {
    Bytes frame = ethernet(ipv4(TcpTalk::kClient, TcpTalk::kServer, 17, udp(4000, 5201, 100)));
    frame[18] = static_cast<std::uint8_t>(identity >> 8);
    frame[19] = static_cast<std::uint8_t>(identity);
    frame[42] = static_cast<std::uint8_t>(i >> 8);  // the payload's first bytes: a number
    frame[43] = static_cast<std::uint8_t>(i);
    packets.push_back({kStart + i * kMs + delay_ns, frame});
  }
  return packets;
}

Said data(std::uint32_t sequence, std::size_t bytes, std::uint32_t stamp = 1) {
  return {.sequence = sequence,
          .acknowledgment = 1,
          .payload_bytes = bytes,
          .timestamps = std::pair{stamp, 7U}};
}

}  // namespace

TEST_CASE("a capture against itself: everything matches, no delay, nothing lost") {
  const Exchange exchange = simulate({.loss_per_mille = 20, .seed = 3});
  const Compared c{exchange.at_client, exchange.at_client};
  CHECK(c.is_one);
  CHECK(is_identical(*c.diff));
  for (const PathDiff* path : {&c.there(), &c.back()}) {
    CHECK(path->lost_packets() == 0);
    CHECK(path->delay[path->upstream()].maximum_ns() == 0);
    CHECK(path->delay[path->upstream()].count() == path->seen[0].packets);
  }
}

TEST_CASE("options that one capture cut off make no difference to the other") {
  for (const std::uint32_t snaplen : {66U, 74U, 80U, 90U, 96U, 110U}) {
    CAPTURE(snaplen);
    Packets full;
    for (std::uint32_t i = 0; i < 200; ++i) {
      Bytes options = option_timestamps(1000 + i, 7);
      if (i % 4 == 0) options = options + option_sack({{i * 100 + 5000, i * 100 + 6000}});
      full.push_back(
          {kStart + static_cast<std::int64_t>(i) * kMs,
           ethernet(ipv6("fd00::1", "fd00::2", 6,
                         tcp({.sequence = 1, .acknowledgment = i * 100, .options = options})),
                    0x86DD)});
    }
    Packets cut = full;
    for (MadePacket& packet : cut) {
      packet.length = static_cast<std::uint32_t>(packet.bytes.size());
      packet.bytes.resize(std::min<std::size_t>(packet.bytes.size(), snaplen));
    }
    const Compared c{full, cut, {}, snaplen};
    if (snaplen < 74) continue;  // the fixed header is cut, too: there is nothing to match
    CHECK(c.diff->paths().at(0).lost_packets() == 0);
    CHECK(c.diff->paths().at(0).matched[0].packets == full.size());
  }
}

TEST_CASE("times that no clock shows are no delays") {
  const Packets packets = udp_stream(200, 0);
  const TemporaryFolder folder;
  const PathPair paths{folder.path() / "a.pcapng", folder.path() / "b.pcapng"};
  // The earliest moment that 64 bits of nanoseconds say, as an offset and the rest.
  constexpr std::int64_t kOffsetS = -9'223'372'037;
  constexpr std::uint64_t kRestNs = 145'224'192;
  for (const unsigned earliest : {0U, 1U}) {
    CAPTURE(earliest);
    for (unsigned side = 0; side < 2; ++side) {
      PcapngMaker maker;
      maker.section().interface({.time_resolution = 9});
      maker.interface({.time_resolution = 9, .time_offset_s = kOffsetS});
      maker.enhanced(0, 5, ethernet(ipv4(TcpTalk::kClient, TcpTalk::kServer, 17, udp(1, 2, 3))));
      for (const MadePacket& packet : packets)
        side == earliest ? maker.enhanced(1, kRestNs, packet.bytes)
                         : maker.enhanced(0, 0, packet.bytes);
      write_file(paths[side], maker.bytes());
    }
    const PacketPrinter printer{common_bytes(paths)};
    ExchangeDiff diff{{}, printer};
    for (const Stop& stop : compare_exchange(paths, diff)) CHECK(stop.clean());
    for (const PathDiff& path : diff.paths()) {
      CHECK(path.matched[0].packets == packets.size() + 1);
      for (const Distribution& delay : path.delay)
        CHECK((delay.empty() || delay.minimum_ns() >= 0));
    }
  }
}

TEST_CASE("client side and server side: losses and delays are those of the network, each way") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    const NetworkShape shape{.loss_per_mille = seed % 4 * 20,
                             .ack_loss_per_mille = seed % 3 * 30,
                             .counts_identity = seed % 2 == 0,
                             .seed = seed};
    const Exchange exchange = simulate(shape);
    ExchangeOptions whole;
    whole.is_whole = true;
    const Compared c{exchange.at_client, exchange.at_server, whole};
    CHECK(c.is_one);
    const PathDiff &there = c.there(), &back = c.back();
    CHECK(there.upstream() == 0);
    CHECK(back.upstream() == 1);
    CHECK(there.lost_packets() == exchange.lost_to_server);
    CHECK(back.lost_packets() == exchange.lost_to_client);
    CHECK(there.only[1].packets + back.only[0].packets == 0);
    if (!shape.counts_identity) continue;  // equal ACKs: which of them was lost is a guess
    CHECK(there.reordered[0] + back.reordered[1] == 0);
    const Distribution &d = there.delay[0], &r = back.delay[1];
    CHECK(d.minimum_ns() >= shape.to_server_us * 1000);
    CHECK(d.maximum_ns() <= (shape.to_server_us + shape.jitter_us + 50) * 1000);
    CHECK(r.minimum_ns() >= shape.to_client_us * 1000);
    CHECK(r.maximum_ns() <= (shape.to_client_us + shape.jitter_us + 50) * 1000);
  }
}

TEST_CASE("swapped captures give the same answer with the sides swapped") {
  const Exchange exchange = simulate({.loss_per_mille = 30, .seed = 5});
  const Compared c{exchange.at_server, exchange.at_client};
  CHECK(c.there().upstream() == 1);
  CHECK(c.there().lost_packets() == exchange.lost_to_server);
}

TEST_CASE("UDP: lost, duplicated, overtaken and late datagrams are each counted as what they are") {
  Packets sent = udp_stream(100, 0), received = udp_stream(100, 5 * kMs);
  const MadePacket again = received[20];
  received.insert(received.begin() + 26, MadePacket{received[25].time_ns + 1, again.bytes});
  received.erase(received.begin() + 50);              // one lost: number 49
  std::swap(received[70].bytes, received[72].bytes);  // 69 and 71 change places
  const Compared c{sent, received};
  const PathDiff& path = c.there();
  CHECK(path.lost_packets() == 1);
  CHECK(path.only[0].packets == 1);
  CHECK(path.duplicated[1].packets == 1);
  CHECK(path.matched[1].packets == 99);
  CHECK(path.reordered[0] == 2);
  CHECK(path.reorder_extent[0] == 2);
  CHECK(path.delay[0].minimum_ns() >= 3 * kMs);
  CHECK(path.delay[0].maximum_ns() <= 7 * kMs);
}

TEST_CASE("what the other capture was not running for is not called lost") {
  const Packets sent = udp_stream(100, 0), all = udp_stream(100, 2 * kMs);
  const Compared c{sent, {all.begin() + 10, all.end() - 10}};
  CHECK(c.there().lost_packets() == 0);
  CHECK(c.there().before[0].packets == 10);
  CHECK(c.there().beyond[0].packets == 10);
  ExchangeOptions whole;
  whole.is_whole = true;  // … unless it was, says who knows
  const Compared w{sent, {all.begin() + 10, all.end() - 10}, whole};
  CHECK(w.there().lost_packets() == 20);
}

TEST_CASE("a super-packet is matched by its bytes to the segments it became") {
  TcpTalk whole, cut;
  whole.client(0, data(1, 4000)).client(1000, data(4001, 1000, 2));
  cut.client(500, data(1, 1500)).client(510, data(1501, 1500)).client(520, data(3001, 1000));
  cut.client(1500, data(4001, 1000, 2));
  for (const bool swapped : {false, true}) {
    const Compared c = swapped ? Compared{cut.packets(), whole.packets()}
                               : Compared{whole.packets(), cut.packets()};
    const PathDiff& path = c.there();
    const unsigned super = swapped ? 1 : 0;
    CHECK(path.lost_packets() == 0);
    CHECK(path.segmentation[super].split == 1);
    CHECK(path.segmentation[super].pieces == 3);
    CHECK(path.segmentation[super].same == 1);
    CHECK(path.segmentation[1 - super].joined == 3);
    CHECK(path.segmentation[1 - super].same == 1);
    CHECK(path.segmentation[super].largest_payload == 4000);
    CHECK(path.delay[super].count() == 4);
    CHECK(path.delay[super].minimum_ns() == kMs / 2);
  }
}

TEST_CASE("of a super-packet that lost a segment on its way, the missing bytes are named") {
  TcpTalk whole, cut;
  whole.client(0, data(1, 4000)).client(300'000, data(1501, 1500, 300));
  cut.client(500, data(1, 1500))
      .client(520, data(3001, 1000))
      .client(300'500, data(1501, 1500, 300));
  const Compared c{whole.packets(), cut.packets()};
  const PathDiff& path = c.there();
  CHECK(path.partly[0].packets == 1);
  CHECK(path.missing_bytes[0] == 1500);
  CHECK(path.lost_bytes() == 1500);
  CHECK(path.segmentation[0].same == 1);  // the retransmission, matched by its TSval
  CHECK(path.delay[0].maximum_ns() < kMs);
}

TEST_CASE("segments cut at other places are matched by their bytes, across the sequence wrap") {
  TcpTalk a, b;
  const std::uint32_t first = 0xFFFFFF00;
  for (std::uint32_t i = 0; i < 6; ++i) a.client(i, data(first + i * 1000, 1000));
  for (std::uint32_t i = 0; i < 4; ++i) b.client(1000 + i, data(first + i * 1500, 1500));
  const Compared c{a.packets(), b.packets()};
  CHECK(c.there().lost_packets() == 0);
  CHECK(c.there().matched[0].packets == 6);
  CHECK(c.there().matched[1].packets == 4);
  CHECK(c.there().segmentation[0].crossed + c.there().segmentation[0].joined == 6);
}

TEST_CASE("a retransmission without any telling number is not taken for the original") {
  // Same bytes, same identification, no timestamps; the first copy is lost.
  TcpTalk a, b;
  Said warm = data(1, 10), lost = data(11, 100);
  warm.timestamps = lost.timestamps = std::nullopt;
  a.client(0, warm).client(1000, lost).client(200'000, lost).client(201'000, warm);
  b.client(5'000, warm).client(205'000, lost).client(206'000, warm);
  const Compared c{a.packets(), b.packets()};
  CHECK(c.there().lost_packets() == 1);
  CHECK(c.there().delay[0].maximum_ns() == 5 * kMs);
}

TEST_CASE("a shorter snapshot length on one side makes no difference") {
  const Packets sent = udp_stream(50, 0);
  Packets received = udp_stream(50, 3 * kMs);
  for (MadePacket& packet : received) {
    packet.length = static_cast<std::uint32_t>(packet.bytes.size());
    packet.bytes.resize(76);
  }
  const Compared c{sent, received, {}, 76};
  CHECK(c.there().matched[0].packets == 50);
}

TEST_CASE("clocks that differ: still matched, and the reversal shows") {
  const Exchange exchange = simulate({.seed = 9});
  Packets shifted = exchange.at_server;
  for (MadePacket& packet : shifted) packet.time_ns += 2000 * kMs;
  const Compared c{exchange.at_client, shifted};
  CHECK(c.is_one);
  CHECK(c.there().upstream() == 0);
  CHECK(c.back().upstream() == 0);  // as if the server's packets reached the client first
  CHECK(c.there().matched[0].packets == c.there().seen[0].packets);
  std::string json = "{";
  write_exchange([&](std::string_view text) { json += text; }, ReportForm::json, *c.diff);
  const auto offset = nlohmann::json::parse(json + "}").at("clock_offset_ns").get<std::int64_t>();
  CHECK(offset > 1990 * kMs);
  CHECK(offset < 2010 * kMs);
}

TEST_CASE("memory for waiting packets is bounded: what was given up is counted") {
  const Packets sent = udp_stream(1000, 0);
  const Packets received = udp_stream(1000, 500 * kMs);
  const Compared c{sent, received, {.most_waiting = 100}};
  CHECK(c.there().given_up[0].packets > 300);
  CHECK(c.there().matched[0].packets < 700);
}

TEST_CASE("captures of different runs are not taken for one exchange") {
  const Packets a = udp_stream(100, 0, 1), b = udp_stream(100, 0, 77);
  const Compared c{a, b};
  CHECK(!c.is_one);
}
}  // namespace tl::analysis_exchange_diff_test
