// Bytes of frames out of the ordinary: tags, runts, jumbo frames, packets whose data lies outside
// their head. Every number is checked against arithmetic, device statistics or a capture.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <linux/if_ether.h>

#include <csignal>

#include "support/capture_process.hh"
#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/raw_frames.hh"
#include "support/star.hh"
#include "support/tcp_stream.hh"
#include "support/tcpdump.hh"
#include "support/temporary.hh"
#include "support/veth_pair.hh"

namespace tl::counters_frames_test {
using namespace tl::test;

namespace {

CounterLayout with_port(std::uint16_t port) {
  CounterLayout layout = Counting::only_points();
  layout.ports = {port};
  return layout;
}

Bytes udp_frame(int tags) {
  return ethernet(ipv4("198.18.0.1", "198.18.0.2", 17, udp(1000, kWantedPort, kPayload)), 0x0800,
                  tags);
}

// What left `sender` arrived at `receiver`: so many packets and bytes, by both sides' statistics,
// too.
void check_passage(const VethPair& pair, const Counted& counted, std::uint64_t packets,
                   std::uint64_t bytes) {
  const CounterValues &left = counted.devices.at("left,eth0"),
                      &right = counted.devices.at("right,eth0");
  CHECK(left.tx_packets == packets);
  CHECK(left.tx_bytes == bytes);
  CHECK(left.tx_wire_bytes == bytes);
  CHECK(right.rx_packets == packets);
  CHECK(right.rx_bytes == bytes);
  CHECK(right.rx_wire_bytes == bytes);
  CHECK(statistics(pair.left, "eth0").tx_bytes == bytes);
  CHECK(statistics(pair.right, "eth0").rx_bytes == bytes);
}

Counting count_pair(const VethPair& pair) {
  return Counting{{{"left", &pair.left}, {"right", &pair.right}}, with_port(kWantedPort)};
}

}  // namespace

TEST_CASE("T29 frames with 802.1Q and 802.1ad tags count all their bytes on both sides") {
  const VethPair pair;
  Counting counting = count_pair(pair);
  const RawSender sender{pair.left};
  std::uint64_t bytes = 0;
  for (const int tags : {0, 1, 2}) {
    const Bytes frame = udp_frame(tags);
    REQUIRE(frame.size() == kHeaderBytes + kPayload + static_cast<std::size_t>(tags) * 4);
    sender.send(frame, 10);
    bytes += 10 * frame.size();
  }
  const Counted counted = counting.finish();
  check_passage(pair, counted, 30, bytes);
  CHECK(counted.ports.at("9000,remote").tx_bytes == bytes);
  CHECK(counted.ports.at("9000,local").rx_bytes == bytes);
  CHECK(counted.ports.at("unparsed,any").rx_packets == 0);
}

TEST_CASE("T29 a tag beside the packet counts as on a wire, where the veth driver leaves it out") {
  const VethPair pair;
  tag_packets(pair.left);
  Counting counting = count_pair(pair);
  UdpSender sender{pair, kWantedPort, kPayload};
  sender.send(10);
  const Counted counted = counting.finish();
  constexpr std::uint64_t kFrame = kHeaderBytes + kPayload;
  CHECK(counted.devices.at("left,eth0").tx_bytes == 10 * (kFrame + 4));
  CHECK(counted.devices.at("right,eth0").rx_bytes == 10 * (kFrame + 4));
  CHECK(counted.devices.at("right,eth0").rx_wire_bytes == 10 * (kFrame + 4));
  CHECK(statistics(pair.left, "eth0").tx_bytes == 10 * kFrame);
  CHECK(statistics(pair.right, "eth0").rx_bytes == 10 * kFrame);
}

TEST_CASE("T29 a capture of tagged frames: its file, its account and the counters agree") {
  const VethPair pair;
  const TemporaryFolder folder;
  CaptureProcess capture{folder.path() / "tags.pcap",
                         {"--netns", path_of(pair.right), "-i", "eth0"}};
  Counting counting = count_pair(pair);
  for (const int tags : {0, 1, 2}) RawSender{pair.left}.send(udp_frame(tags), 10);
  const Counted counted = counting.finish();
  CHECK(capture.end(SIGTERM).ok());
  const nlohmann::json account = capture.account();
  check_account(account, capture.file());
  CHECK(account.at("statistics_are_exact") == true);
  CHECK(account.at("vlan_packets") == 20);
  CHECK(account.at("rx").at("bytes") == counted.devices.at("right,eth0").rx_bytes);
  CHECK(account.at("rx").at("bytes") == statistics(pair.right, "eth0").rx_bytes);
}

TEST_CASE("T30 a runt, a frame of 60 bytes and jumbo frames") {
  const VethPair pair;
  for (const NetNs* netns : {&pair.left, &pair.right}) ip_in(*netns, "link set eth0 mtu 9000");
  UdpSink sink{pair.right, "198.18.0.2", kWantedPort};
  Counting counting = count_pair(pair);
  const RawSender sender{pair.left};
  constexpr std::uint16_t kExperimental = 0x88b5;
  sender.send(ethernet(Bytes(46, 1), kExperimental), 7);
  sender.send(ethernet(Bytes(1, 1), kExperimental), 5);
  UdpSource{pair.left}.send("198.18.0.2", kWantedPort, 9000 - 28, 6);
  REQUIRE(sink.take(6) == 6);
  const Counted counted = counting.finish();
  check_passage(pair, counted, 18, 7 * 60 + 5 * 15 + 6 * 9014);
  CHECK(counted.ports.at("9000,local").rx_bytes == 6 * 9014);
}

TEST_CASE("T31 which statistics of a driver are the counted bytes: veth, lo and bridge") {
  const Star star{1};
  const NetNs& leaf = star.leaves[0];
  ip_in(leaf, "link set lo up");
  UdpSink host{star.hub, Star::kHubAddress, kWantedPort}, own{leaf, Star::address(0), kWantedPort};
  Counting counting{{{"leaf", &leaf}, {"hub", &star.hub}}};
  UdpSource{leaf}.send(Star::kHubAddress, kWantedPort, kPayload, 50);
  UdpSource{leaf}.send(Star::address(0), kWantedPort, kPayload, 20);
  REQUIRE(host.take(50) == 50);
  REQUIRE(own.take(20) == 20);
  UdpSource{star.hub}.send(Star::address(0), kWantedPort, kPayload, 30);
  REQUIRE(own.take(30) == 30);
  const Counted counted = counting.finish();
  constexpr std::uint64_t kFrame = kHeaderBytes + kPayload, kPacket = kFrame - 14;

  const auto check = [&](const char* series, const NetNs& netns, const char* device,
                         const LinkStatistics& expected) {
    CAPTURE(series);
    const CounterValues& values = counted.devices.at(series);
    CHECK(values.rx_packets == expected.rx_packets);
    CHECK(values.tx_packets == expected.tx_packets);
    CHECK(values.rx_bytes == expected.rx_packets * kFrame);
    CHECK(values.tx_bytes == expected.tx_packets * kFrame);
    const LinkStatistics found = statistics(netns, device);
    CHECK(found.rx_packets == expected.rx_packets);
    CHECK(found.tx_packets == expected.tx_packets);
    CHECK(found.rx_bytes == expected.rx_bytes);
    CHECK(found.tx_bytes == expected.tx_bytes);
  };
  const auto expected = [](std::uint64_t rx, std::uint64_t tx, std::uint64_t rx_bytes,
                           std::uint64_t tx_bytes) {
    LinkStatistics s;
    s.rx_packets = rx;
    s.tx_packets = tx;
    s.rx_bytes = rx_bytes;
    s.tx_bytes = tx_bytes;
    return s;
  };
  check("leaf,eth0", leaf, "eth0", expected(30, 50, 30 * kFrame, 50 * kFrame));
  check("hub,port0", star.hub, "port0", expected(50, 30, 50 * kFrame, 30 * kFrame));
  // A bridge counts what it takes in without the link header, what it hands down with it.
  check("hub,br0", star.hub, "br0", expected(50, 30, 50 * kPacket, 30 * kFrame));
  // Loopback counts both ways without it.
  check("leaf,lo", leaf, "lo", expected(20, 20, 20 * kPacket, 20 * kPacket));
}

TEST_CASE("T32 the lengths in a capture add up to the counted bytes, super-packets included") {
  const VethPair pair;
  Tcpdump tcpdump{pair.right};
  Counting counting = count_pair(pair);
  UdpSender sender{pair, kWantedPort, 1000};
  sender.send(100);
  sender.send_super_packet(20);
  TcpStream stream{pair.left, pair.right, "198.18.0.2", kWantedPort};
  stream.both_ways(1 << 20);
  stream.close();
  const Counted counted = counting.finish();
  const CounterValues &left = counted.devices.at("left,eth0"),
                      &right = counted.devices.at("right,eth0");
  const auto captured = tcpdump.finish(right.rx_packets + right.tx_packets);
  CHECK(captured.at("02:00:00:00:00:01") == Frames{right.rx_packets, right.rx_bytes});
  CHECK(captured.at("02:00:00:00:00:02") == Frames{right.tx_packets, right.tx_bytes});
  CHECK(left.tx_bytes == right.rx_bytes);
  CHECK(left.rx_bytes == right.tx_bytes);
}

TEST_CASE("T49 macvlan: by itself every packet, at the trace events none of those it receives") {
  const NetNs peer = quiet_netns(), host = quiet_netns(), inner = quiet_netns();
  ip_in(peer, fmt::format("link add eth0 address 02:00:00:00:00:01 type veth peer name parent "
                          "netns {}",
                          path_of(host)));
  ip_in(host, "link set parent up");
  ip_in(host, fmt::format("link add link parent name eth0 address 02:00:00:00:00:03 netns {} type "
                          "macvlan mode bridge",
                          path_of(inner)));
  ip_in(peer, "address add 198.18.0.1/24 dev eth0");
  ip_in(inner, "address add 198.18.0.3/24 dev eth0");
  ip_in(peer, "link set eth0 up");
  ip_in(inner, "link set eth0 up");
  ip_in(peer, "neigh add 198.18.0.3 lladdr 02:00:00:00:00:03 dev eth0 nud permanent");
  ip_in(inner, "neigh add 198.18.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent");
  UdpSink at_inner{inner, "198.18.0.3", kWantedPort}, at_peer{peer, "198.18.0.1", kWantedPort};
  const auto talk = [&] {
    UdpSource{peer}.send("198.18.0.3", kWantedPort, kPayload, 40);
    UdpSource{inner}.send("198.18.0.1", kWantedPort, kPayload, 30);
    REQUIRE(at_inner.take(40) == 40);
    REQUIRE(at_peer.take(30) == 30);
  };
  constexpr std::uint64_t kFrame = kHeaderBytes + kPayload;
  for (const bool tcx : {true, false}) {
    CAPTURE(tcx);
    const auto before = statistics(inner, "eth0");
    CounterLayout layout = Counting::only_points();
    layout.tcx = tcx;
    Counting counting{{{"inner", &inner}, {"host", &host}, {"peer", &peer}}, layout};
    talk();
    const Counted counted = counting.finish();
    for (const char* series : {"inner,eth0", "host,parent"}) {
      CAPTURE(series);
      CHECK(counted.devices.at(series).rx_packets == 40);
      CHECK(counted.devices.at(series).rx_bytes == 40 * kFrame);
      CHECK(counted.devices.at(series).tx_packets == 30);
      CHECK(counted.devices.at(series).tx_bytes == 30 * kFrame);
    }
    const auto after = statistics(inner, "eth0");
    CHECK(after.rx_bytes - before.rx_bytes == 40 * kFrame);
    CHECK(after.tx_bytes - before.tx_bytes == 30 * kFrame);
    CHECK(counted.points[0]["devices"][1]["counted_at"] == (tcx ? "tcx" : "tap"));
  }
  CounterLayout layout = Counting::only_points();
  layout.taps = false;
  Counting counting{{{"inner", &inner}}, layout};
  talk();
  const Counted counted = counting.finish();
  CHECK(counted.points[0]["devices"][1]["counted_at"] == "trace events");
  CHECK(counted.devices.at("inner,eth0").rx_packets == 0);
}

TEST_CASE("T74 ports of packets whose data is outside their head: sendfile, zero-copy, splice") {
  const VethPair pair;
  for (const SendWay way : {SendWay::sendfile, SendWay::zerocopy, SendWay::splice}) {
    CAPTURE(static_cast<int>(way));
    Counting counting = count_pair(pair);
    TcpStream stream{pair.left, pair.right, "198.18.0.2", kWantedPort};
    stream.to_server(2 << 20, way);
    stream.close();
    const Counted counted = counting.finish();
    const CounterValues &left = counted.devices.at("left,eth0"),
                        &right = counted.devices.at("right,eth0");
    CHECK(left.tx_bytes > 2 << 20);
    CHECK(right.rx_bytes == left.tx_bytes);
    CHECK(right.rx_wire_bytes == left.tx_wire_bytes);
    CHECK(left.rx_bytes == right.tx_bytes);
    // The server's side of the port is local at the right, remote at the left end.
    CHECK(counted.ports.at("9000,remote") == left);
    CHECK(counted.ports.at("9000,local") == right);
    CHECK(counted.ports.at("unparsed,any") == CounterValues{});
  }
}

TEST_CASE("T78 raw senders that say nothing, everything or wrong about the protocol") {
  const VethPair pair;
  Counting counting = count_pair(pair);
  const RawSender sender{pair.left};
  for (const int protocol : {0, ETH_P_ALL, ETH_P_ARP, ETH_P_IPV6})
    sender.send(udp_frame(0), 10, static_cast<std::uint16_t>(protocol));
  const Counted counted = counting.finish();
  constexpr std::uint64_t kFrame = kHeaderBytes + kPayload;
  check_passage(pair, counted, 40, 40 * kFrame);
  CHECK(counted.ports.at("9000,remote").tx_bytes == 40 * kFrame);
  CHECK(counted.ports.at("9000,local").rx_bytes == 40 * kFrame);
  CHECK(counted.ports.at("unparsed,any") == CounterValues{});
}
}  // namespace tl::counters_frames_test
