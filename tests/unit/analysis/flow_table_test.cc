#include "analysis/flow_table.hh"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/analysed.hh"

namespace tl::analysis_flow_table_test {
using namespace tl::test;

namespace {

constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

struct Segment {
  bool from_client = true;
  std::uint32_t sequence = 0;
  std::size_t payload_bytes = 0;
  std::uint8_t flags = kAck;
};

Bytes segment_frame(const Segment& s) {
  const Bytes options = (s.flags & kSyn) != 0 ? option_mss(1460) : Bytes{};
  const Tcp header{.source_port = static_cast<std::uint16_t>(s.from_client ? 40000 : 5201),
                   .destination_port = static_cast<std::uint16_t>(s.from_client ? 5201 : 40000),
                   .sequence = s.sequence,
                   .flags = s.flags,
                   .options = options,
                   .payload_bytes = s.payload_bytes};
  return s.from_client ? ethernet(ipv4("198.18.0.2", "198.18.0.3", 6, tcp(header)))
                       : ethernet(ipv4("198.18.0.3", "198.18.0.2", 6, tcp(header)));
}

Bytes capture_of(const std::vector<Segment>& segments) {
  std::vector<MadePacket> packets;
  for (std::size_t i = 0; i < segments.size(); ++i)
    packets.push_back(
        {kStart + static_cast<std::int64_t>(i) * 1'000'000, segment_frame(segments[i])});
  return pcap_file(packets);
}

// Of the one flow that `segments` make, the client's side.
FlowSide client_side(const std::vector<Segment>& segments) {
  const auto analysed = analyse(capture_of(segments));
  REQUIRE(analysed->pass.flows().size() == 1);
  CHECK(analysed->broken_identity() == "");
  const FlowSide side = analysed->pass.flows().flow(0).sides[0];
  CHECK(side.tally.payload_bytes == side.sequence.span_bytes() - side.sequence.gap_bytes() +
                                        side.sequence.retransmitted_bytes());
  return side;
}

}  // namespace

TEST_CASE("R-18 a flow has packets, L2, L3 and payload bytes, first and last time of both sides") {
  const auto analysed = analyse(capture_of({{true, 99, 0, kSyn},
                                            {false, 499, 0, kSyn | kAck},
                                            {true, 100, 1000},
                                            {true, 1100, 500},
                                            {false, 500, 10}}));
  const FlowTable& flows = analysed->pass.flows();
  REQUIRE(flows.size() == 1);
  const Flow& flow = flows.flow(0);
  CHECK(flow_label(flow) == "tcp 198.18.0.2:40000 198.18.0.3:5201");
  CHECK(flow.connections == 1);
  CHECK(flow.maximum_segment_bytes[0] == 1460);
  CHECK(flow.maximum_segment_bytes[1] == 1460);
  CHECK(flow.sides[0].tally == Tally{3, 58 + 1054 + 554, 44 + 1040 + 540, 1500});
  CHECK(flow.sides[1].tally == Tally{2, 58 + 64, 44 + 50, 10});
  CHECK(flow.sides[0].time.first_ns == kStart);
  CHECK(flow.sides[0].time.last_ns == kStart + 3'000'000);
  CHECK(flow.sides[1].time.last_ns == kStart + 4'000'000);
  CHECK(flow.sides[0].sequence.span_bytes() == 1500);
  CHECK(flow.sides[1].sequence.span_bytes() == 10);
}

TEST_CASE("a flow that begins with a SYN/ACK has its receiver as the client") {
  const auto analysed = analyse(capture_of({{false, 499, 0, kSyn | kAck}, {true, 100, 10}}));
  CHECK(flow_label(analysed->pass.flows().flow(0)) == "tcp 198.18.0.2:40000 198.18.0.3:5201");
}

TEST_CASE("R-18 retransmitted bytes are those seen before, whole or in part") {
  const FlowSide side = client_side(
      {{true, 0, 100}, {true, 100, 100}, {true, 50, 100}, {true, 0, 300}, {true, 300, 10}});
  CHECK(side.sequence.span_bytes() == 310);
  CHECK(side.sequence.retransmitted_bytes() == 300);
  CHECK(side.sequence.gap_bytes() == 0);
}

TEST_CASE("R-18 gap bytes are those never seen; what arrives late fills them") {
  const FlowSide hole = client_side({{true, 0, 100}, {true, 300, 100}});
  CHECK(hole.sequence.gap_bytes() == 200);
  CHECK(hole.sequence.span_bytes() == 400);
  const FlowSide half = client_side({{true, 0, 100}, {true, 300, 100}, {true, 150, 100}});
  CHECK(half.sequence.gap_bytes() == 100);
  CHECK(half.sequence.retransmitted_bytes() == 0);
  const FlowSide filled =
      client_side({{true, 0, 100}, {true, 300, 100}, {true, 150, 100}, {true, 50, 300}});
  CHECK(filled.sequence.gap_bytes() == 0);
  CHECK(filled.sequence.retransmitted_bytes() == 200);
}

TEST_CASE("more gaps than are remembered are counted as forgotten, and the identity holds") {
  std::vector<Segment> segments;
  for (std::uint32_t i = 0; i < 20; ++i) segments.push_back({true, i * 200, 100});
  FlowSide side = client_side(segments);
  CHECK(side.sequence.forgotten_gaps() == 15);
  CHECK(side.sequence.gap_bytes() == 1900);
  segments.push_back({true, 100, 3900});
  side = client_side(segments);
  CHECK(side.sequence.gap_bytes() == 1500);  // the forgotten ones stay gaps
}

TEST_CASE("sequence numbers wrap, and data before the first seen extends the span downwards") {
  const FlowSide wrapped = client_side({{true, 0xFFFFFF00, 0x80}, {true, 0xFFFFFF80, 0x100}});
  CHECK(wrapped.sequence.span_bytes() == 0x180);
  CHECK(wrapped.sequence.retransmitted_bytes() == 0);
  const FlowSide early = client_side({{true, 1000, 100}, {true, 800, 100}, {true, 900, 150}});
  CHECK(early.sequence.span_bytes() == 300);
  CHECK(early.sequence.gap_bytes() == 0);
  CHECK(early.sequence.retransmitted_bytes() == 50);
}

TEST_CASE("a SYN with another initial sequence number is another connection on the same ports") {
  const auto analysed = analyse(capture_of({{true, 99, 0, kSyn},
                                            {true, 99, 0, kSyn},
                                            {true, 100, 100},
                                            {true, 300, 100},
                                            {true, 9999, 0, kSyn},
                                            {true, 10000, 50}}));
  const Flow& flow = analysed->pass.flows().flow(0);
  CHECK(flow.connections == 2);
  CHECK(flow.sides[0].sequence.span_bytes() == 350);
  CHECK(flow.sides[0].sequence.gap_bytes() == 100);
  CHECK(flow.sides[0].sequence.retransmitted_bytes() == 0);
}

TEST_CASE("random segments, losses and repetitions: payload = span - gap + retransmitted") {
  std::uint32_t state = 1;
  const auto next = [&](std::uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<Segment> segments;
    const std::uint32_t base = 0xFFFFF000 + next(8192);
    for (int i = 0; i < 60; ++i) segments.push_back({true, base + next(5000), 1 + next(900)});
    (void)client_side(segments);
  }
}

TEST_CASE("packets all of one kind give the flow that they give among others") {
  const auto segment = [](std::uint32_t i) {
    return tcp({.source_port = 1, .destination_port = 2, .sequence = 20 * i, .payload_bytes = 20});
  };
  const auto over_ipv4 = [&](const Bytes& inner, std::uint8_t protocol, std::uint16_t fragment) {
    return ethernet(ipv4("10.0.0.1", "10.0.0.2", protocol, inner, fragment));
  };
  const std::vector<std::function<MadePacket(std::uint32_t)>> kinds{
      [&](auto i) {
        return MadePacket{kStart + i, over_ipv4(segment(i), 6, 0)};
      },
      [&](auto i) {
        return MadePacket{kStart + i, over_ipv4(segment(i), 6, 0x2000)};
      },
      [&](auto i) {
        return MadePacket{kStart + i, over_ipv4(segment(i), 6, 0x2001)};
      },
      [&](auto i) {
        return MadePacket{kStart + i, over_ipv4(udp(1, 2, i), 17, 0)};
      },
      [&](auto i) {
        Bytes frame = over_ipv4(segment(i), 6, 0);
        frame.resize(40);  // inside the TCP header
        return MadePacket{kStart + i, frame, 74};
      },
      [&](auto i) {
        return MadePacket{kStart + i,
                          ethernet(ipv6("2001:db8::1", "2001:db8::2", 6, segment(i)), 0x86DD)};
      }};
  for (std::size_t kind = 0; kind < kinds.size(); ++kind)
    for (const bool timed : {true, false}) {
      CAPTURE(kind);
      CAPTURE(timed);
      Bytes alone = pcap_header({}), among = alone;
      for (std::uint32_t i = 0; i < 200; ++i) {
        Bytes record = pcap_record(kinds[kind](i), {});
        constexpr std::uint32_t kNoSuchFraction = 1'000'000'000;
        if (!timed) std::memcpy(record.data() + 4, &kNoSuchFraction, sizeof kNoSuchFraction);
        alone = alone + record;
        among = among + record + pcap_record({kStart, arp()}, {});
      }
      const auto one = analyse(alone), other = analyse(among);
      const Flow &flow = one->pass.flows().flow(0), &expected = other->pass.flows().flow(0);
      CHECK(flow.fragments == expected.fragments);
      CHECK(flow.sides[0].tally == expected.sides[0].tally);
      CHECK(flow.sides[0].tally.packets == 200);
      CHECK(flow.sides[0].time.first_ns == expected.sides[0].time.first_ns);
      CHECK(flow.sides[0].time.last_ns == expected.sides[0].time.last_ns);
      CHECK(flow.sides[0].time.empty() == !timed);
      CHECK(flow.sides[0].sequence.span_bytes() == expected.sides[0].sequence.span_bytes());
    }
}

TEST_CASE("R-18 flows, non-IP and undecoded packets add up to everything") {
  std::vector<MadePacket> packets;
  for (int i = 0; i < 200; ++i) {
    packets.push_back({kStart + i, ethernet(ipv4("10.0.0.1", "10.0.0.2", 17,
                                                 udp(static_cast<std::uint16_t>(i), 53, 40)))});
    packets.push_back({kStart + i, arp()});
    packets.push_back({kStart + i, Bytes(10, 1), 1500});
    packets.push_back({kStart + i, ethernet(ipv6("fe80::1", "fe80::2", 58, Bytes(16, 1)), 0x86DD)});
  }
  const auto analysed = analyse(pcap_file(packets));
  CHECK(analysed->broken_identity() == "");
  const FlowTable& flows = analysed->pass.flows();
  CHECK(flows.size() == 201);
  CHECK(flows.not_ip().packets == 200);
  CHECK(flows.undecoded() == Tally{200, 200 * 1500, 0, 0});
}

TEST_CASE("R-18 a full table evicts quiet flows, counts them, and the sums still hold") {
  std::vector<MadePacket> packets;
  const auto frame = [](std::uint32_t flow) {
    return ethernet(
        ipv4("10.0.0.1", "10.0.0.2", 17, udp(static_cast<std::uint16_t>(flow), 53, flow % 100)));
  };
  for (std::uint32_t i = 0; i < 5000; ++i) {
    packets.push_back({kStart + i, frame(10 + i % 2000)});
    packets.push_back({kStart + i, frame(1)});  // busy all the time
  }
  const auto analysed = analyse(pcap_file(packets), {}, FlowTable::kFewestFlows);
  const FlowTable& flows = analysed->pass.flows();
  CHECK(analysed->broken_identity() == "");
  CHECK(flows.size() == FlowTable::kFewestFlows);
  CHECK(flows.evictions() >= 5000 - FlowTable::kFewestFlows - 2000);
  std::uint64_t busiest = 0;
  for (std::uint32_t i = 0; i < flows.size(); ++i)
    busiest = std::max(busiest, flows.flow(i).total().packets);
  CHECK(busiest == 5000);
}

TEST_CASE("both directions and both address families are one flow each, whoever is smaller") {
  std::vector<MadePacket> packets;
  const Bytes there = udp(1000, 2000, 10), back = udp(2000, 1000, 20);
  for (const auto& [a, b] : {std::pair{"10.0.0.1", "10.0.0.2"}, {"10.0.9.2", "10.0.0.9"}}) {
    packets.push_back({kStart, ethernet(ipv4(a, b, 17, there))});
    packets.push_back({kStart, ethernet(ipv4(b, a, 17, back))});
  }
  for (const auto& [a, b] : {std::pair{"fe80::1", "fe80::2"}, {"fe80::9", "fe80::3"}}) {
    packets.push_back({kStart, ethernet(ipv6(a, b, 17, there), 0x86DD)});
    packets.push_back({kStart, ethernet(ipv6(b, a, 17, back), 0x86DD)});
  }
  // The same address on both ends: the port decides.
  packets.push_back({kStart, ethernet(ipv4("10.0.0.1", "10.0.0.1", 17, there))});
  packets.push_back({kStart, ethernet(ipv4("10.0.0.1", "10.0.0.1", 17, back))});
  const auto analysed = analyse(pcap_file(packets));
  const FlowTable& flows = analysed->pass.flows();
  REQUIRE(flows.size() == 5);
  for (std::uint32_t i = 0; i < flows.size(); ++i) {
    CHECK(flows.flow(i).client().port == 1000);
    CHECK(flows.flow(i).server().port == 2000);
    CHECK(flows.flow(i).sides[0].tally.payload_bytes == 10);
    CHECK(flows.flow(i).sides[1].tally.payload_bytes == 20);
  }
}

TEST_CASE("a flow whose two ends are the same is all its client's, whatever comes first") {
  const auto segment = [](std::uint8_t flags) {
    const Tcp header{.source_port = 7, .destination_port = 7, .flags = flags};
    return ethernet(ipv4("127.0.0.1", "127.0.0.1", 6, tcp(header)));
  };
  const auto analysed = analyse(pcap_file(
      {{kStart, segment(kSyn | kAck)}, {kStart, segment(kSyn)}, {kStart, segment(kAck)}}));
  const FlowTable& flows = analysed->pass.flows();
  REQUIRE(flows.size() == 1);
  CHECK(flows.flow(0).sides[0].tally.packets == 3);
  CHECK(flows.flow(0).sides[1].tally.packets == 0);
}

namespace {

// With 0 as the key, these 64 bits of an IPv6 address make what follows them vanish from the hash.
const std::string kSameHash = "157c:4a7f:b979:379e";

// A table that is given frames, some at a time.
class Fed {
 public:
  explicit Fed(std::uint32_t most_flows, std::uint64_t hash_key) : flows{most_flows, hash_key} {}
  void add(const Bytes& frame) {
    frames_.push_back(frame);
    if (frames_.size() == CaptureReader::kBatchPackets) flush();
  }
  void flush() {
    std::vector<Packet> packets;
    for (const Bytes& frame : frames_) {
      const auto bytes = static_cast<std::uint32_t>(frame.size());
      packets.push_back({.data = frame.data(),
                         .time_ns = kStart,
                         .captured_bytes = bytes,
                         .length_bytes = bytes,
                         .link_type = 1});
    }
    std::vector<PacketInfo> infos(packets.size());
    decode(packets, infos.data());
    std::vector<FlowTable::Wanted> wanted(packets.size());
    flows.prepare(infos, wanted.data());
    std::vector<FlowRef> refs(packets.size());
    flows.add(packets, infos, wanted, refs);
    for (std::size_t i = 0; i < refs.size(); ++i) {
      const Flow& flow = flows.flow(refs[i].flow());
      wrong_refs += infos[i] == (refs[i].side() == 0 ? flow.key : flow.key.reversed()) ? 0 : 1;
    }
    frames_.clear();
  }

  FlowTable flows;
  int wrong_refs = 0;

 private:
  std::vector<Bytes> frames_;
};

}  // namespace

TEST_CASE("IPv6 flows whose addresses have the same hash are apart") {
  Fed fed{256, 0};
  for (int i = 0; i < 50; ++i)
    for (const std::string& other : {kSameHash + "::1", kSameHash + "::2", kSameHash + "::3"}) {
      fed.add(ethernet(ipv6(other, "fe80::9", 17, udp(1000, 2000, 10)), 0x86DD));
      fed.add(ethernet(ipv6("fe80::9", other, 17, udp(2000, 1000, 20)), 0x86DD));
    }
  fed.flush();
  CHECK(fed.wrong_refs == 0);
  REQUIRE(fed.flows.size() == 3);
  for (std::uint32_t i = 0; i < 3; ++i)
    for (const FlowSide& side : fed.flows.flow(i).sides) CHECK(side.tally.packets == 50);
}

TEST_CASE(
    "R-18 however many flows are evicted, each packet counts for its own ends and direction") {
  std::uint32_t state = 7;
  const auto next = [&](std::uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
  };
  using Way = std::pair<std::array<std::uint8_t, 32>, std::uint32_t>;
  const auto way_of = [](const FlowKey& key) {
    Way way{{}, ports_word(key)};
    std::copy_n(key.source.bytes.begin(), 16, way.first.begin());
    std::copy_n(key.destination.bytes.begin(), 16, way.first.begin() + 16);
    return way;
  };
  std::map<Way, std::uint64_t> expected, found;
  Fed fed{FlowTable::kFewestFlows, 0};
  const auto take = [&](std::uint32_t /*index*/, const Flow& flow) {
    for (const std::size_t side : {0U, 1U})
      if (const std::uint64_t packets = flow.sides[side].tally.packets; packets != 0)
        found[way_of(side == 0 ? flow.key : flow.key.reversed())] += packets;
  };
  fed.flows.on_evict(take);
  for (int i = 0; i < 30'000; ++i) {
    const std::uint32_t hosts = i % 5000 < 2500 ? 8 : 30;  // few flows, then many, by turns
    const std::uint32_t a = next(hosts), b = next(hosts);
    const bool is_ipv6 = next(2) == 0;
    const auto address = [&](std::uint32_t host) {
      return (is_ipv6 ? kSameHash + "::" : "10.0.0.") + std::to_string(host);
    };
    const Bytes datagram =
        udp(static_cast<std::uint16_t>(a % 4), static_cast<std::uint16_t>(b % 4), 8);
    const Bytes frame = is_ipv6 ? ethernet(ipv6(address(a), address(b), 17, datagram), 0x86DD)
                                : ethernet(ipv4(address(a), address(b), 17, datagram));
    fed.add(frame);
    if (next(200) == 0) fed.flush();
    PacketInfo info;
    decode({.data = frame.data(),
            .captured_bytes = static_cast<std::uint32_t>(frame.size()),
            .length_bytes = static_cast<std::uint32_t>(frame.size()),
            .link_type = 1},
           info);
    expected[way_of(info)] += 1;
  }
  fed.flush();
  CHECK(fed.wrong_refs == 0);
  CHECK(fed.flows.evictions() > 1000);
  for (std::uint32_t i = 0; i < fed.flows.size(); ++i) take(i, fed.flows.flow(i));
  CHECK(found == expected);
}
}  // namespace tl::analysis_flow_table_test
