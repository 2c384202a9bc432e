#include "analysis/decode.hh"

#include <doctest/doctest.h>

#include "support/capture_maker.hh"

namespace tl::analysis_decode_test {
using namespace tl::test;

namespace {

PacketInfo decoded(const Bytes& bytes, std::uint16_t link_type = 1, std::uint32_t length = 0) {
  Packet packet;
  packet.data = bytes.data();
  packet.captured_bytes = static_cast<std::uint32_t>(bytes.size());
  packet.length_bytes = length == 0 ? packet.captured_bytes : length;
  packet.link_type = link_type;
  PacketInfo info;
  decode(packet, info);
  return info;
}

const Bytes kTcp4 = ipv4("198.18.0.1", "198.18.0.2", 6,
                         tcp({.source_port = 40000,
                              .destination_port = 5201,
                              .sequence = 0xFFFFFFF0,
                              .acknowledgment = 77,
                              .flags = kAck | kPsh,
                              .window = 512,
                              .options = option_timestamps(1, 2),
                              .payload_bytes = 100}));
const Bytes kUdp6 = ipv6("2001:db8::1", "2001:db8::2", 17, udp(53, 1053, 30));

void check_tcp4(const PacketInfo& info) {
  CHECK(info.content == Content::ip);
  CHECK(info.ip_version == 4);
  CHECK(address_text(info.source, 4) == "198.18.0.1");
  CHECK(address_text(info.destination, 4) == "198.18.0.2");
  CHECK(info.source_port == 40000);
  CHECK(info.destination_port == 5201);
  CHECK(info.sequence == 0xFFFFFFF0);
  CHECK(info.acknowledgment == 77);
  CHECK(info.tcp_flags == (kAck | kPsh));
  CHECK(info.window == 512);
  CHECK(info.ip_bytes == 20 + 32 + 100);
  CHECK(info.payload_bytes == 100);
  CHECK(info.is_tcp());
}

void check_udp6(const PacketInfo& info) {
  CHECK(info.content == Content::ip);
  CHECK(info.ip_version == 6);
  CHECK(address_text(info.source, 6) == "2001:db8::1");
  CHECK(info.destination_port == 1053);
  CHECK(info.protocol == kProtocolUdp);
  CHECK(info.ip_bytes == 78);
  CHECK(info.payload_bytes == 30);
}

}  // namespace

TEST_CASE("R-7 TCP over IPv4 and UDP over IPv6 are decoded on every link type") {
  const Bytes sll4{0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0};
  const Bytes sll6{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x86, 0xDD};
  const Bytes sll2_4{8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0};
  const Bytes sll2_6{0x86, 0xDD, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0};
  check_tcp4(decoded(ethernet(kTcp4)));
  check_udp6(decoded(ethernet(kUdp6, 0x86DD)));
  check_tcp4(decoded(Bytes{2, 0, 0, 0} + kTcp4, 0));
  check_tcp4(decoded(Bytes{0, 0, 0, 2} + kTcp4, 0));
  check_tcp4(decoded(Bytes{0, 0, 0, 2} + kTcp4, 108));
  for (const std::uint8_t family : Bytes{10, 24, 28, 30})
    check_udp6(decoded(Bytes{family, 0, 0, 0} + kUdp6, 0));
  check_tcp4(decoded(Bytes{0xFF, 3, 0, 0x21} + kTcp4, 9));
  check_tcp4(decoded(Bytes{0x21} + kTcp4, 9));
  check_udp6(decoded(Bytes{0, 0x57} + kUdp6, 9));
  for (const std::uint16_t raw : std::vector<std::uint16_t>{12, 14, 101}) {
    check_tcp4(decoded(kTcp4, raw));
    check_udp6(decoded(kUdp6, raw));
  }
  check_tcp4(decoded(sll4 + kTcp4, 113));
  check_udp6(decoded(sll6 + kUdp6, 113));
  check_tcp4(decoded(kTcp4, 228));
  check_udp6(decoded(kUdp6, 229));
  check_tcp4(decoded(sll2_4 + kTcp4, 276));
  check_udp6(decoded(sll2_6 + kUdp6, 276));
  CHECK((decoded(sll4 + kTcp4, 113).flags & kSent) != 0);
  CHECK((decoded(sll2_6 + kUdp6, 276).flags & kReceived) != 0);
}

TEST_CASE("R-7 VLAN tags are unwrapped up to a limit, and SNAP") {
  for (int tags = 1; tags <= kMostTags; ++tags) check_tcp4(decoded(ethernet(kTcp4, 0x0800, tags)));
  CHECK(decoded(ethernet(kTcp4, 0x0800, kMostTags + 1)).content == Content::undecoded);
  const Bytes snap{0xAA, 0xAA, 3, 0, 0, 0, 8, 0};
  check_tcp4(decoded(ethernet(snap + kTcp4, static_cast<std::uint16_t>(8 + kTcp4.size()))));
}

TEST_CASE("R-7 other protocols are not IP; unknown link types and cut headers are undecoded") {
  CHECK(decoded(arp()).content == Content::not_ip);
  CHECK(decoded(kTcp4, 147).content == Content::undecoded);
  const Bytes frame = ethernet(kTcp4);
  for (std::size_t size = 0; size < 14 + 20; ++size)
    REQUIRE(
        decoded(Bytes(frame.begin(), frame.begin() + static_cast<long>(size)), 1, 500).content ==
        Content::undecoded);
  const PacketInfo cut = decoded(Bytes(frame.begin(), frame.begin() + 40), 1, 500);
  CHECK(cut.content == Content::ip);
  CHECK((cut.flags & kNoTransport) != 0);
  CHECK(cut.source_port == 0);
}

TEST_CASE("link padding does not count, and the frame length decides where the IP length is 0") {
  const Bytes small = ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp({}))) + Bytes(6, 0);
  CHECK(decoded(small).payload_bytes == 0);
  CHECK(decoded(small).ip_bytes == 40);
  const Bytes big = ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp({.payload_bytes = 100'000})));
  CHECK(decoded(big).payload_bytes == 100'000);
  CHECK((decoded(big).flags & kLengthDerived) != 0);
  const Bytes big6 =
      ethernet(ipv6("2001:db8::1", "2001:db8::2", 6, tcp({.payload_bytes = 90'000})), 0x86DD);
  CHECK(decoded(big6).payload_bytes == 90'000);
  // A snapshot of the first 60 bytes tells the same lengths.
  const Bytes snapshot(big.begin(), big.begin() + 60);
  CHECK(decoded(snapshot, 1, static_cast<std::uint32_t>(big.size())).payload_bytes == 100'000);
}

TEST_CASE("an IP length beyond the frame is marked, and the frame's is used") {
  const Bytes frame = ethernet(kTcp4);
  const PacketInfo info = decoded(frame, 1, static_cast<std::uint32_t>(frame.size() - 10));
  CHECK((info.flags & kLengthMismatch) != 0);
  CHECK(info.payload_bytes == 90);
}

TEST_CASE(
    "a TCP header that claims less than its least has no transport, one beyond its packet no "
    "payload") {
  constexpr std::size_t kDataOffset = 14 + 20 + 12;
  Bytes frame = ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp({.payload_bytes = 30})));
  frame[kDataOffset] = 4 << 4;
  CHECK((decoded(frame).flags & kNoTransport) != 0);
  CHECK(decoded(frame).source_port == 0);
  CHECK(decoded(frame).payload_bytes == 0);
  frame[kDataOffset] = 13 << 4;  // 52 bytes of 50
  CHECK(decoded(frame).is_tcp());
  CHECK(decoded(frame).destination_port == 5201);
  CHECK(decoded(frame).payload_bytes == 0);
  frame[kDataOffset] = 12 << 4;
  CHECK(decoded(frame).payload_bytes == 2);
}

TEST_CASE("fragments: the first has ports, later ones do not") {
  const PacketInfo first =
      decoded(ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(7, 8, 100), 0x2000)));
  CHECK(first.source_port == 7);
  CHECK((first.flags & kFragment) != 0);
  const PacketInfo later =
      decoded(ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, Bytes(100, 1), 0x2010)));
  CHECK(later.source_port == 0);
  CHECK((later.flags & (kFragment | kNoTransport)) == (kFragment | kNoTransport));
  CHECK(later.payload_bytes == 100);
  const Bytes fragment6{17, 0, 0, 8, 0, 0, 0, 1};
  const PacketInfo later6 =
      decoded(ethernet(ipv6("fe80::1", "fe80::2", 44, fragment6 + Bytes(40, 1)), 0x86DD));
  CHECK(later6.protocol == kProtocolUdp);
  CHECK((later6.flags & kNoTransport) != 0);
}

TEST_CASE("IPv6 extension headers are stepped over, a bounded number of them") {
  const Bytes hop{6, 0, 1, 4, 0, 0, 0, 0}, another_hop{0, 0, 1, 4, 0, 0, 0, 0};
  const Bytes segment = tcp({.source_port = 99, .payload_bytes = 5});
  const PacketInfo info = decoded(ethernet(ipv6("fe80::1", "fe80::2", 0, hop + segment), 0x86DD));
  CHECK(info.source_port == 99);
  CHECK(info.payload_bytes == 5);
  Bytes chain = hop + segment;
  for (int i = 0; i < kMostExtensionHeaders; ++i) chain = another_hop + chain;
  CHECK((decoded(ethernet(ipv6("fe80::1", "fe80::2", 0, chain), 0x86DD)).flags & kNoTransport) !=
        0);
}

TEST_CASE("TCP options: timestamps, SACK blocks, MSS, window scale; damage ends the list") {
  const auto options_of = [](const Bytes& options) {
    const Bytes bytes = ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp({.options = options})));
    Packet packet;
    packet.data = bytes.data();
    packet.captured_bytes = packet.length_bytes = static_cast<std::uint32_t>(bytes.size());
    packet.link_type = 1;
    PacketInfo info;
    decode(packet, info);
    return tcp_options(packet, info);
  };
  const TcpOptions syn = options_of(option_mss(1460) + Bytes{4, 2, 1, 3, 3, 7});
  CHECK(syn.maximum_segment_bytes == 1460);
  CHECK(syn.window_scale == 7);
  CHECK(syn.sack_permitted);
  CHECK(!syn.timestamps);
  Bytes sack{1, 1, 5, 18};
  for (const std::uint32_t edge : {100U, 200U, 300U, 400U}) append_be(sack, edge, 4);
  const TcpOptions ack = options_of(option_timestamps(5, 6) + sack);
  REQUIRE(ack.timestamps);
  CHECK(ack.timestamps->value == 5);
  CHECK(ack.timestamps->echo == 6);
  REQUIRE(ack.sack_count == 2);
  CHECK(ack.sack[1].begin == 300);
  CHECK(ack.sack[1].end == 400);
  CHECK(!options_of(Bytes{8, 1, 0, 0}).timestamps);
  CHECK(!options_of(Bytes{8, 40, 0, 0}).timestamps);
}
}  // namespace tl::analysis_decode_test
