// Which series a packet belongs to when it passes several devices and namespaces: once for every
// device, and once for every container whose packet it is.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/star.hh"
#include "support/veth_pair.hh"

namespace tl::counters_topology_test {
using namespace tl::test;

namespace {

constexpr std::uint16_t kPort = 9000;

}  // namespace

TEST_CASE("T40 A to B over a bridge: once in each container's series, the fabric by itself") {
  const Star star{2};
  const NetNs &a = star.leaves[0], &b = star.leaves[1];
  UdpSink at_a{a, Star::address(0), kPort}, at_b{b, Star::address(1), kPort};
  Counting everything{{{"a", &a}, {"b", &b}, {"fabric", &star.hub}}};
  Counting containers{{{"a", &a}, {"b", &b}}};
  UdpSource{a}.send(Star::address(1), kPort, kPayload, 200);
  UdpSource{b}.send(Star::address(0), kPort, kPayload, 30);
  REQUIRE(at_b.take(200) == 200);
  REQUIRE(at_a.take(30) == 30);

  const Counted all = everything.finish();
  CHECK(all.containers.at("a") == frames(30, 200));
  CHECK(all.containers.at("b") == frames(200, 30));
  CHECK(all.devices.at("fabric,port0") == frames(200, 30));
  CHECK(all.devices.at("fabric,port1") == frames(30, 200));
  CHECK(all.devices.at("fabric,br0") == frames(0, 0));
  CHECK(all.containers.at("fabric") == frames(230, 230));
  check_statistics(a, "eth0", all.containers.at("a"));
  check_statistics(b, "eth0", all.containers.at("b"));
  check_statistics(star.hub, "port0", all.devices.at("fabric,port0"));
  check_statistics(star.hub, "port1", all.devices.at("fabric,port1"));

  const Counted chosen = containers.finish();
  CHECK(chosen.total == frames(230, 230));
  CHECK(chosen.total.tx_bytes ==
        chosen.containers.at("a").tx_bytes + chosen.containers.at("b").tx_bytes);
}

TEST_CASE("T41 A to its host: in A's series, and once on each of the host's two devices") {
  const Star star{1};
  const NetNs& a = star.leaves[0];
  UdpSink host{star.hub, Star::kHubAddress, kPort};
  Counting counting{{{"a", &a}, {"host", &star.hub}}};
  UdpSource{a}.send(Star::kHubAddress, kPort, kPayload, 50);
  REQUIRE(host.take(50) == 50);
  const Counted counted = counting.finish();
  CHECK(counted.containers.at("a") == frames(0, 50));
  CHECK(counted.devices.at("host,port0") == frames(50, 0));
  CHECK(counted.devices.at("host,br0") == frames(50, 0));
  check_statistics(a, "eth0", counted.containers.at("a"));
  check_statistics(star.hub, "port0", counted.devices.at("host,port0"));
}

namespace {

// A star whose hub routes to a namespace outside, hiding the leaves behind its own address.
struct Routed {
  Routed() : star{1}, outside{quiet_netns()} {
    ip_in(star.hub, fmt::format("link add out0 address 02:00:00:00:01:01 type "
                                "veth peer name eth0 address 02:00:00:00:01:02 "
                                "netns {}",
                                path_of(outside)));
    ip_in(star.hub, "address add 198.19.0.1/30 dev out0");
    ip_in(outside, "address add 198.19.0.2/30 dev eth0");
    ip_in(star.hub, "link set out0 up");
    ip_in(outside, "link set eth0 up");
    ip_in(star.hub, "neigh add 198.19.0.2 lladdr 02:00:00:00:01:02 dev out0 nud permanent");
    ip_in(outside, "neigh add 198.19.0.1 lladdr 02:00:00:00:01:01 dev eth0 nud permanent");
    ip_in(star.leaves[0], fmt::format("route add default via {}", Star::kHubAddress));
    set_sysctl(star.hub, "ipv4/ip_forward", "1");
  }
  void nat(const std::string& rule) const {
    run_in(star.hub, "iptables", "--wait --table nat --append " + rule);
  }
  Star star;
  NetNs outside;
};

}  // namespace

TEST_CASE("T41 A to the outside through NAT: both ends once, the router once a device") {
  const Routed lab;
  lab.nat("POSTROUTING --out-interface out0 --jump MASQUERADE");
  const NetNs& a = lab.star.leaves[0];
  UdpSink sink{lab.outside, "198.19.0.2", kPort};
  Counting counting{{{"a", &a}, {"router", &lab.star.hub}, {"outside", &lab.outside}}};
  UdpSource{a}.send("198.19.0.2", kPort, kPayload, 70);
  REQUIRE(sink.take(70) == 70);
  const Counted counted = counting.finish();
  CHECK(counted.containers.at("a") == frames(0, 70));
  CHECK(counted.containers.at("outside") == frames(70, 0));
  CHECK(counted.devices.at("router,port0") == frames(70, 0));
  CHECK(counted.devices.at("router,br0") == frames(70, 0));
  CHECK(counted.devices.at("router,out0") == frames(0, 70));
  check_statistics(lab.outside, "eth0", counted.containers.at("outside"));
  check_statistics(lab.star.hub, "out0", counted.devices.at("router,out0"));
}

TEST_CASE("T41 a published port, by address translation: once at A, under A's own port") {
  const Routed lab;
  lab.nat(
      fmt::format("PREROUTING --in-interface out0 --protocol udp --dport 8080 --jump DNAT "
                  "--to-destination {}:{}",
                  Star::address(0), kPort));
  const NetNs& a = lab.star.leaves[0];
  UdpSink sink{a, Star::address(0), kPort};
  CounterLayout layout = Counting::only_points();
  layout.ports = {kPort};
  Counting counting{{{"a", &a}, {"outside", &lab.outside}}, layout};
  UdpSource{lab.outside}.send("198.19.0.1", 8080, kPayload, 40);
  REQUIRE(sink.take(40) == 40);
  const Counted counted = counting.finish();
  CHECK(counted.containers.at("a") == frames(40, 0));
  CHECK(counted.containers.at("outside") == frames(0, 40));
  // What left the outside had port 8080: only A's device saw the container's port.
  CHECK(counted.ports.at("9000,local") == frames(40, 0));
  CHECK(counted.ports.at("9000,remote") == frames(0, 0));
}

TEST_CASE("T41 a published port, by a proxy process: two connections, A's counted once") {
  const Routed lab;
  const NetNs& a = lab.star.leaves[0];
  UdpSink sink{a, Star::address(0), kPort}, proxy_in{lab.star.hub, "198.19.0.1", 8080};
  const UdpSource proxy_out{lab.star.hub};
  Counting counting{{{"a", &a}, {"host", &lab.star.hub}, {"outside", &lab.outside}}};
  UdpSource{lab.outside}.send("198.19.0.1", 8080, kPayload, 40);
  REQUIRE(proxy_in.take(40) == 40);
  proxy_out.send(Star::address(0), kPort, kPayload, 40);
  REQUIRE(sink.take(40) == 40);
  const Counted counted = counting.finish();
  CHECK(counted.containers.at("a") == frames(40, 0));
  CHECK(counted.containers.at("outside") == frames(0, 40));
  CHECK(counted.devices.at("host,out0") == frames(40, 0));
  CHECK(counted.devices.at("host,br0") == frames(0, 40));
  CHECK(counted.devices.at("host,port0") == frames(0, 40));
}

TEST_CASE("T42 A to A: on lo and in the total, in no container's series") {
  const Star star{1};
  const NetNs& a = star.leaves[0];
  UdpSink by_loopback{a, "127.0.0.1", kPort}, by_address{a, Star::address(0), kPort};
  Counting counting{{{"a", &a}}};
  const UdpSource source{a};
  source.send("127.0.0.1", kPort, kPayload, 20);
  source.send(Star::address(0), kPort, kPayload, 5);  // its own address: over lo as well
  REQUIRE(by_loopback.take(20) == 20);
  REQUIRE(by_address.take(5) == 5);
  const Counted counted = counting.finish();
  CHECK(counted.devices.at("a,lo") == frames(25, 25));
  CHECK(counted.devices.at("a,eth0") == frames(0, 0));
  CHECK(counted.containers.at("a") == frames(0, 0));
  CHECK(counted.total == counted.devices.at("a,lo"));
  // lo's own statistics do not count the Ethernet header (net/core/dev.c, drivers/net/loopback.c).
  const LinkStatistics lo = statistics(a, "lo");
  CHECK(lo.tx_packets == 25);
  CHECK(lo.tx_bytes == 25 * (kFrame - 14));
  CHECK(lo.rx_bytes == lo.tx_bytes);
}

TEST_CASE("T43 broadcast and multicast among five containers: one TX, four RX") {
  const Star star{5};
  const NetNs& sender = star.leaves[0];
  ip_in(sender, "route add 239.0.0.0/8 dev eth0");
  std::vector<UdpSink> sinks;
  Counting::Points points{{"fabric", &star.hub}};
  for (std::size_t i = 0; i < star.leaves.size(); ++i) {
    sinks.emplace_back(star.leaves[i], "0.0.0.0", kPort);
    points.emplace_back(fmt::format("c{}", i), &star.leaves[i]);
  }
  Counting counting{points};
  const UdpSource source{sender};
  source.send("239.1.2.3", kPort, kPayload, 7);  // nobody joined: it ends at the devices
  source.send(Star::kBroadcast, kPort, kPayload, 10);
  // The sender's own socket gets a copy that was on no wire: it is in none of the counts.
  for (UdpSink& sink : sinks) REQUIRE(sink.take(10) == 10);
  const Counted counted = counting.finish();
  CHECK(counted.containers.at("c0") == frames(0, 17));
  for (std::size_t i = 1; i < star.leaves.size(); ++i) {
    CHECK(counted.containers.at(fmt::format("c{}", i)) == frames(17, 0));
    CHECK(counted.devices.at(fmt::format("fabric,port{}", i)) == frames(0, 17));
    check_statistics(star.leaves[i], "eth0", frames(17, 0));
  }
  CHECK(counted.devices.at("fabric,port0") == frames(17, 0));
  CHECK(counted.devices.at("fabric,br0") == frames(17, 0));
  check_statistics(sender, "eth0", frames(0, 17));
}
}  // namespace tl::counters_topology_test
