// Wire counts of super-packets. The oracle is a path on which they become real segments: the ports
// of the bridge between the leaves have no segmentation offload, so what one leaf sends as a
// super-packet arrives at the other frame by frame, each with its own headers.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <functional>
#include <stdexcept>

#include "base/errors.hh"
#include "base/process.hh"
#include "support/counting.hh"
#include "support/queue_length.hh"
#include "support/skip.hh"
#include "support/star.hh"
#include "support/tcp_stream.hh"

namespace tl::counters_segments_test {
using namespace tl::test;

namespace {

constexpr std::uint16_t kPort = 9000;
constexpr std::size_t kBytes = 20 << 20;

class SegmentingPath : public Star {
 public:
  SegmentingPath() : Star{2} {
    for (const char* port : {"port0", "port1"})
      run_in(hub, "ethtool", fmt::format("-K {} tso off gso off tx-udp-segmentation off", port));
  }
  // Addresses fd00::1 and fd00::2, static neighbours.
  void add_ipv6() const {
    for (std::size_t i = 0; i < 2; ++i) {
      ip_in(leaves[i], "link set eth0 addrgenmode none");
      // Group reports and solicitations come unasked, at times of their own.
      run_in(leaves[i], "ip6tables", "-A OUTPUT -p ipv6-icmp -j DROP");
      set_sysctl(leaves[i], "ipv6/conf/eth0/disable_ipv6", "0");
      ip_in(leaves[i], fmt::format("address add fd00::{}/64 dev eth0 nodad", i + 1));
      ip_in(leaves[i],
            fmt::format("neigh add fd00::{} lladdr 02:00:00:00:00:{:02x} dev eth0 nud permanent",
                        2 - i, 2 - i));
    }
  }
  [[nodiscard]] const NetNs& a() const { return leaves[0]; }
  [[nodiscard]] const NetNs& b() const { return leaves[1]; }
  [[nodiscard]] Counting::Points points() const { return {{"a", &leaves[0]}, {"b", &leaves[1]}}; }
};

// The change of a device's statistics while it was counted.
CounterValues by_statistics(const Counted& counted, const std::string& netns) {
  for (const nlohmann::json& point : counted.points)
    for (const nlohmann::json& device : point.at("devices"))
      if (point.at("service") == netns && device.at("name") == "eth0") {
        const auto change = [&](const char* name) {
          return device.at("statistics_after").at(name).get<std::uint64_t>() -
                 device.at("statistics_before").at(name).get<std::uint64_t>();
        };
        return {.rx_bytes = change("rx_bytes"),
                .rx_packets = change("rx_packets"),
                .tx_bytes = change("tx_bytes"),
                .tx_packets = change("tx_packets")};
      }
  FAIL("no eth0 in " << netns);
  return {};
}

void check_statistics(const Counted& counted, const std::string& netns) {
  CAPTURE(netns);
  const CounterValues statistics = by_statistics(counted, netns);
  const CounterValues& values = counted.devices.at(netns + ",eth0");
  CHECK(values.rx_bytes == statistics.rx_bytes);
  CHECK(values.rx_packets == statistics.rx_packets);
  CHECK(values.tx_bytes == statistics.tx_bytes);
  CHECK(values.tx_packets == statistics.tx_packets);
}

// What left one side arrived segment by segment at the other.
void check_segments(const CounterValues& sender, const CounterValues& receiver) {
  CHECK(sender.tx_wire_packets == receiver.rx_wire_packets);
  CHECK(sender.tx_wire_bytes == receiver.rx_wire_bytes);
  CHECK(receiver.rx_bytes == receiver.rx_wire_bytes);
  CHECK(receiver.rx_packets == receiver.rx_wire_packets);
}

Counted count_stream(const SegmentingPath& path, const std::string& address,
                     int window_bytes = 256 << 10) {
  Counting counting{path.points()};
  TcpStream stream{path.a(), path.b(), address, kPort, window_bytes};
  stream.to_server(kBytes);
  stream.close();
  return counting.finish();
}

// UDP_SEGMENT: `segments` datagrams of 1000 bytes in one, to an IPv6 or mapped IPv4 address.
void send_udp_super_packet(const NetNs& netns, const std::string& address, std::size_t segments) {
  netns.run([&] {
    const UniqueFd socket{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    constexpr int kSegmentBytes = 1000;
    if (::setsockopt(socket.get(), SOL_UDP, UDP_SEGMENT, &kSegmentBytes, sizeof kSegmentBytes) != 0)
      throw_errno("set", "UDP_SEGMENT");
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(kPort);
    if (::inet_pton(AF_INET6, address.c_str(), &to.sin6_addr) != 1)
      throw std::runtime_error{"not an address: " + address};
    const std::string payload(kSegmentBytes * segments, 'x');
    if (::sendto(socket.get(), payload.data(), payload.size(), 0,
                 reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
      throw_errno("send", "UDP super-packet");
  });
}

}  // namespace

TEST_CASE("T22 TCP bulk with TSO: wire counts are the segments that a path without it carries") {
  const SegmentingPath path;
  const Counted counted = count_stream(path, Star::address(1));
  const CounterValues &a = counted.devices.at("a,eth0"), &b = counted.devices.at("b,eth0");
  check_segments(a, b);
  check_segments(b, a);
  check_statistics(counted, "a");
  check_statistics(counted, "b");
  CHECK(a.tx_packets * 4 < a.tx_wire_packets);
  CHECK(a.tx_bytes < a.tx_wire_bytes);
}

TEST_CASE("T24 GRO merges what arrives; the wire counts stay those of the single frames") {
  const SegmentingPath path;
  run_in(path.b(), "ethtool", "-K eth0 gro on");
  const Counted counted = count_stream(path, Star::address(1));
  const CounterValues &a = counted.devices.at("a,eth0"), &b = counted.devices.at("b,eth0");
  CHECK(a.tx_wire_packets == b.rx_wire_packets);
  CHECK(a.tx_wire_bytes == b.rx_wire_bytes);
  CHECK(b.rx_packets < b.rx_wire_packets);
  check_segments(b, a);
  check_statistics(counted, "a");
  // The veth driver with NAPI counts what arrives before it is merged, and without link headers.
  const CounterValues statistics = by_statistics(counted, "b");
  CHECK(statistics.rx_packets == b.rx_wire_packets);
  CHECK(statistics.rx_bytes == b.rx_wire_bytes - 14 * b.rx_wire_packets);
}

TEST_CASE("T25 TCP over IPv6: segments of a path without offloads") {
  const SegmentingPath path;
  path.add_ipv6();
  const Counted counted = count_stream(path, "fd00::2");
  const CounterValues &a = counted.devices.at("a,eth0"), &b = counted.devices.at("b,eth0");
  check_segments(a, b);
  check_segments(b, a);
  check_statistics(counted, "a");
  check_statistics(counted, "b");
  CHECK(a.tx_packets * 4 < a.tx_wire_packets);
}

TEST_CASE("T26 BIG TCP: the jumbo header of packets over 64 KiB is not on the wire") {
  const SegmentingPath path;
  path.add_ipv6();
  if (!path.a().run([] {
        return run_command({"ip", "link", "set", "eth0", "gso_max_size", "200000"},
                           std::chrono::seconds{10})
            .status.ok();
      }))
    TL_SKIP("the kernel refuses gso_max_size above 64 KiB");
  const Counted counted = count_stream(path, "fd00::2", 4 << 20);
  const CounterValues &a = counted.devices.at("a,eth0"), &b = counted.devices.at("b,eth0");
  check_segments(a, b);
  check_statistics(counted, "a");
  check_statistics(counted, "b");
  CHECK(a.tx_packets * 50 < a.tx_wire_packets);
}

TEST_CASE("T27 the wire bytes are the qdisc's packet length, for every kind of super-packet") {
  const SegmentingPath path;
  path.add_ipv6();
  const auto check = [&](const char* kind, const std::function<void()>& send) {
    CAPTURE(kind);
    // Trace events can be missing (docs/limits.md): the kernel's sum counts when it has every
    // packet.
    for (int attempt = 0; attempt < 10; ++attempt) {
      Counting counting{path.points()};
      const QueueLength queue{path.a()};
      send();
      const Counted counted = counting.finish();
      const CounterValues& a = counted.devices.at("a,eth0");
      CHECK(a.tx_packets < a.tx_wire_packets);
      if (queue.packets() != a.tx_packets) continue;
      CHECK(queue.wire_bytes() == a.tx_wire_bytes);
      return;
    }
    FAIL_CHECK("the trace event never had every packet");
  };
  const auto stream = [&](const std::string& address) {
    TcpStream tcp{path.a(), path.b(), address, kPort};
    tcp.to_server(1 << 20);
    tcp.close();
  };
  check("TCP over IPv4", [&] { stream(Star::address(1)); });
  check("TCP over IPv6", [&] { stream("fd00::2"); });
  check("UDP over IPv4", [&] { send_udp_super_packet(path.a(), "::ffff:198.18.0.2", 20); });
  check("UDP over IPv6", [&] { send_udp_super_packet(path.a(), "fd00::2", 20); });
}

TEST_CASE("T28 TCP with timestamps and SACK: headers whose length varies, both ways") {
  const SegmentingPath path;
  // Behind the receiver's tap: what it drops was counted, and is sent again.
  for (const NetNs* netns : {&path.a(), &path.b()})
    run_in(*netns, "iptables",
           "-A INPUT -p tcp -m statistic --mode nth --every 40 --packet 39 -j DROP");
  Counting counting{path.points()};
  TcpStream stream{path.a(), path.b(), Star::address(1), kPort};
  stream.both_ways(4 << 20);
  stream.close();
  const Counted counted = counting.finish();
  const CounterValues &a = counted.devices.at("a,eth0"), &b = counted.devices.at("b,eth0");
  check_segments(a, b);
  check_segments(b, a);
  check_statistics(counted, "a");
  check_statistics(counted, "b");
  CHECK(a.tx_packets < a.tx_wire_packets);
}
}  // namespace tl::counters_segments_test
