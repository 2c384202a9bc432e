// Devices upon devices, devices of the host, and devices that come and go while they are counted.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/errors.hh"
#include "base/fd.hh"
#include "support/capture_maker.hh"
#include "support/counters_process.hh"
#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/processes.hh"
#include "support/skip.hh"
#include "support/star.hh"

namespace tl::counters_devices_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t kPort = 9000;
constexpr const char* kLeft = "198.18.0.1";
constexpr const char* kRight = "198.18.0.2";
constexpr const char* kLeftMac = "02:00:00:00:00:01";
constexpr const char* kRightMac = "02:00:00:00:00:02";

bool says(const Counters& counters, const std::string& part) {
  return counters.errors().find(part) != std::string::npos;
}

// Moves the left address from eth0 to a device on top of it.
void move_address(const VethPair& pair, const std::string& device) {
  ip_in(pair.left, "address flush dev eth0");
  ip_in(pair.left, fmt::format("address add {}/30 dev {}", kLeft, device));
  ip_in(pair.left, fmt::format("link set {} up", device));
  ip_in(pair.left,
        fmt::format("neigh replace {} lladdr {} dev {} nud permanent", kRight, kRightMac, device));
}

// A device whose other end is the file: each write is a packet that arrives. `kind`: IFF_TUN or
// IFF_TAP; `type`: ARPHRD_….
UniqueFd open_tun(const NetNs& netns, const std::string& name, short kind, unsigned long type) {
  return netns.run([&] {
    UniqueFd file = open_fd("/dev/net/tun", O_RDWR);
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = static_cast<short>(kind | IFF_NO_PI);
    if (::ioctl(file.get(), TUNSETIFF, &request) != 0 || ::ioctl(file.get(), TUNSETLINK, type) != 0)
      throw_errno("make", name);
    return file;
  });
}

void write_packets(const UniqueFd& tun, const Bytes& packet, int count) {
  for (int i = 0; i < count; ++i)
    write_all(tun.get(), {reinterpret_cast<const char*>(packet.data()), packet.size()}, "tun0");
}

// 60 datagrams to the right and 40 to the left, and what eth0 and `device` made of them.
Counted talk_over(const VethPair& pair, const std::string& device) {
  UdpSink at_left{pair.left, kLeft, kPort}, at_right{pair.right, kRight, kPort};
  Counting counting{{{"a", &pair.left}, {"b", &pair.right}}};
  UdpSource{pair.left}.send(kRight, kPort, kPayload, 60);
  UdpSource{pair.right}.send(kLeft, kPort, kPayload, 40);
  CHECK(at_right.take(60) == 60);
  CHECK(at_left.take(40) == 40);
  Counted counted = counting.finish();
  CHECK(counted.devices.at("a," + device) == frames(40, 60));
  CHECK(counted.devices.at("a,eth0") == frames(40, 60));
  CHECK(counted.devices.at("b,eth0") == frames(60, 40));
  check_statistics(pair.left, "eth0", frames(40, 60));
  return counted;
}

}  // namespace

TEST_CASE("T51 a bridge in a container: once at either device, twice where both are chosen") {
  const VethPair pair;
  set_sysctl(pair.left, "ipv6/conf/default/disable_ipv6", "1");
  ip_in(pair.left, fmt::format("link add br1 address {} type bridge mcast_snooping 0", kLeftMac));
  ip_in(pair.left, "link set eth0 master br1");
  move_address(pair, "br1");
  const std::string a = path_of(pair.left);
  Counters port{{"container", "--netns", a, "-i", "eth0"}};
  Counters bridge{{"container", "--netns", a, "-i", "br1"}};
  const Counted counted = talk_over(pair, "br1");
  CHECK(counted.containers.at("a") == frames(80, 120));  // the sum of its devices
  CHECK(port.end().ok());
  CHECK(bridge.end().ok());
  CHECK(sums_of(port.file()).series.at(last_part(pair.left)) == frames(40, 60));
  CHECK(sums_of(bridge.file()).series.at(last_part(pair.left)) == frames(40, 60));
  // A bridge counts what it hands up without the Ethernet header (br_pass_frame_up).
  const LinkStatistics br1 = statistics(pair.left, "br1");
  CHECK(br1.tx_bytes == 60 * kFrame);
  CHECK(br1.rx_packets == 40);
  CHECK(br1.rx_bytes == 40 * (kFrame - 14));
}

TEST_CASE("T51 a macvlan device in a container: once at itself, once at the device below") {
  const VethPair pair;
  set_sysctl(pair.left, "ipv6/conf/default/disable_ipv6", "1");
  ip_in(pair.left, "link add mv0 link eth0 address 02:00:00:00:00:11 type macvlan mode bridge");
  move_address(pair, "mv0");
  ip_in(pair.right,
        fmt::format("neigh replace {} lladdr 02:00:00:00:00:11 dev eth0 nud permanent", kLeft));
  talk_over(pair, "mv0");
  check_statistics(pair.left, "mv0", frames(40, 60));
}

TEST_CASE("T51 a VXLAN tunnel: inner frames at the tunnel, outer frames below") {
  const VethPair pair;
  const auto tunnel = [](const NetNs& netns, int self, int peer) {
    set_sysctl(netns, "ipv6/conf/default/disable_ipv6", "1");
    ip_in(netns, fmt::format("link add vx0 address 02:00:00:00:01:0{} type vxlan id 7 local "
                             "198.18.0.{} remote 198.18.0.{} dstport 4789 dev eth0",
                             self, self, peer));
    ip_in(netns, fmt::format("address add 198.18.1.{}/30 dev vx0", self));
    ip_in(netns, "link set vx0 up");
    ip_in(netns,
          fmt::format("neigh add 198.18.1.{} lladdr 02:00:00:00:01:0{} dev vx0 nud permanent", peer,
                      peer));
  };
  tunnel(pair.left, 1, 2);
  tunnel(pair.right, 2, 1);
  UdpSink at_right{pair.right, "198.18.1.2", kPort};
  Counting counting{{{"a", &pair.left}, {"b", &pair.right}}};
  UdpSource{pair.left}.send("198.18.1.2", kPort, kPayload, 60);
  REQUIRE(at_right.take(60) == 60);
  const Counted counted = counting.finish();
  constexpr std::uint64_t kOuter = 14 + 20 + 8 + 8;  // Ethernet, IPv4, UDP, VXLAN
  CHECK(counted.devices.at("a,vx0") == frames(0, 60));
  CHECK(counted.devices.at("a,eth0") == frames(0, 60, kFrame + kOuter));
  CHECK(counted.devices.at("b,eth0") == frames(60, 0, kFrame + kOuter));
  CHECK(counted.devices.at("b,vx0") == frames(60, 0));
  check_statistics(pair.left, "eth0", frames(0, 60, kFrame + kOuter));
  check_statistics(pair.right, "eth0", frames(60, 0, kFrame + kOuter));
}

TEST_CASE("T51 a VLAN device: once at itself, once at the device below") {
  const VethPair pair;
  const auto vlan = [](const NetNs& netns, int self, int peer) {
    set_sysctl(netns, "ipv6/conf/default/disable_ipv6", "1");
    ip_in(netns, "link add link eth0 name v5 type vlan id 5");
    ip_in(netns, fmt::format("address add 198.18.1.{}/30 dev v5", self));
    ip_in(netns, "link set v5 up");
    ip_in(netns, fmt::format("neigh add 198.18.1.{} lladdr 02:00:00:00:00:0{} dev v5 nud permanent",
                             peer, peer));
  };
  try {
    vlan(pair.left, 1, 2);
  } catch (const MachineError& error) {
    CHECK(std::string{error.what()}.find("Unknown device type") != std::string::npos);
    TL_SKIP("the kernel has no VLAN devices (CONFIG_VLAN_8021Q)");
  }
  vlan(pair.right, 2, 1);
  UdpSink at_right{pair.right, "198.18.1.2", kPort};
  Counting counting{{{"a", &pair.left}, {"b", &pair.right}}};
  UdpSource{pair.left}.send("198.18.1.2", kPort, kPayload, 60);
  REQUIRE(at_right.take(60) == 60);
  const Counted counted = counting.finish();
  CHECK(counted.devices.at("a,v5") == frames(0, 60));
  CHECK(counted.devices.at("a,eth0").tx_packets == 60);
  CHECK(counted.devices.at("b,eth0").rx_packets == 60);
  CHECK(counted.devices.at("b,v5") == frames(60, 0));
}

TEST_CASE("T63 processes on the host's network are in the host's series, in nobody else's") {
  const Star star{2};
  const NetNs &a = star.leaves[0], &b = star.leaves[1];
  UdpSink at_a{a, Star::address(0), kPort}, at_hub{star.hub, Star::kHubAddress, kPort};
  UdpSource{a}.send(Star::kHubAddress, kPort, kPayload, 1);  // the bridge learns where A is
  REQUIRE(at_hub.take(1) == 1);
  const LinkStatistics before = statistics(a, "eth0");
  const UdpSource opened_before{star.hub};
  Counters from_host{{"container"}, &star.hub};
  Counting counting{{{"host", &star.hub}, {"a", &a}, {"b", &b}}};
  opened_before.send(Star::address(0), kPort, kPayload, 30);
  UdpSource{star.hub}.send(Star::address(0), kPort, kPayload, 20);
  REQUIRE(at_a.take(50) == 50);
  // The kernel itself answers for the host: a connection to a port where nobody listens.
  a.run([] {
    const UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(1);
    ::inet_pton(AF_INET, Star::kHubAddress, &to.sin_addr);
    CHECK(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0);
    CHECK(errno == ECONNREFUSED);
  });
  const Counted counted = counting.finish();
  constexpr std::uint64_t kReset = 14 + 20 + 20;
  const CounterValues &at_a_device = counted.containers.at("a"),
                      &bridge = counted.devices.at("host,br0");
  CHECK(at_a_device.rx_packets == 51);
  CHECK(at_a_device.rx_bytes == 50 * kFrame + kReset);
  CHECK(at_a_device.tx_packets == 1);
  CHECK(bridge.tx_packets == 51);
  CHECK(bridge.tx_bytes == at_a_device.rx_bytes);
  CHECK(bridge.rx_packets == 1);
  CHECK(counted.devices.at("host,port0").tx_bytes == at_a_device.rx_bytes);
  CHECK(counted.containers.at("b") == frames(0, 0));
  CHECK(statistics(a, "eth0").rx_bytes - before.rx_bytes == at_a_device.rx_bytes);
  CHECK(statistics(a, "eth0").tx_bytes - before.tx_bytes == at_a_device.tx_bytes);

  CHECK(from_host.end().ok());
  const Sums sums = sums_of(from_host.file());
  CHECK(sums.series.at("host").tx_packets == 2 * 51);  // br0 and port0
  CHECK(sums.series.at("host").tx_bytes == 2 * at_a_device.rx_bytes);
  for (const auto& [name, values] : sums.series)
    if (name == std::to_string(b.inode())) CHECK(values == CounterValues{});
}

TEST_CASE(
    "T66 a device that moves to another namespace: its packets until then stay where they were") {
  const VethPair pair;
  const NetNs other = quiet_netns();
  UdpSink sink{pair.right, kRight, kPort};
  Counters counters{points(pair, {"container"})};
  Counting everywhere{{{"a", &pair.left}, {"b", &pair.right}}, CounterLayout{}};
  UdpSource{pair.left}.send(kRight, kPort, kPayload, 100);
  REQUIRE(sink.take(100) == 100);
  ip_in(pair.left, "link set eth0 netns " + path_of(other));
  ip_in(other, fmt::format("address add {}/30 dev eth0", kLeft));
  ip_in(other, "link set eth0 up");
  ip_in(other, fmt::format("neigh replace {} lladdr {} dev eth0 nud permanent", kRight, kRightMac));
  UdpSource{other}.send(kRight, kPort, kPayload, 50);
  REQUIRE(sink.take(50) == 50);

  CHECK(counters.end().ok());
  const Sums sums = sums_of(counters.file());
  CHECK(sums.series.at(last_part(pair.left)) == frames(0, 100));
  CHECK(sums.series.at(last_part(pair.right)) == frames(150, 0));
  CHECK(says(counters, last_part(pair.left) + " eth0: went away; counted until then"));

  const Counted counted = everywhere.finish();
  CHECK(counted.devices.at("a,eth0") == frames(0, 100));
  CounterValues in_other;
  for (const auto& [name, values] : counted.devices)
    if (name.starts_with(std::to_string(other.inode()) + ",")) in_other += values;
  CHECK(in_other == frames(0, 50));
}

namespace {

// 100 datagrams, a journey of the left device through another namespace, and 50 more; ends
// counting.
ExitStatus talk_around_a_journey(const VethPair& pair, Counters& counters) {
  const NetNs other = quiet_netns();
  UdpSink sink{pair.right, kRight, kPort};
  UdpSource{pair.left}.send(kRight, kPort, kPayload, 100);
  REQUIRE(sink.take(100) == 100);
  ip_in(pair.left, "link set eth0 netns " + path_of(other));
  ip_in(other, "link set eth0 netns " + path_of(pair.left));
  ip_in(pair.left, "link set eth0 addrgenmode none");
  ip_in(pair.left, fmt::format("address add {}/30 dev eth0", kLeft));
  ip_in(pair.left, "link set eth0 up");
  ip_in(pair.left,
        fmt::format("neigh replace {} lladdr {} dev eth0 nud permanent", kRight, kRightMac));
  UdpSource{pair.left}.send(kRight, kPort, kPayload, 50);
  REQUIRE(sink.take(50) == 50);
  return counters.end();
}

}  // namespace

TEST_CASE("T66 a device that moves away and comes back is counted where it was") {
  const VethPair pair;
  Counters counters{points(pair, {"container"})};
  CHECK(talk_around_a_journey(pair, counters).ok());
  const Sums sums = sums_of(counters.file());
  CHECK(sums.series.at(last_part(pair.left)) == frames(0, 150));
  CHECK(sums.series.at(last_part(pair.right)) == frames(150, 0));
  CHECK(says(counters, last_part(pair.left) + " eth0: was in another namespace meanwhile"));
}

TEST_CASE("a TUN device, whose packets have no link header: the bytes of its statistics") {
  for (const bool taps : {false, true}) {
    CAPTURE(taps);
    const VethPair pair;  // only the left namespace is used
    set_sysctl(pair.left, "ipv6/conf/default/disable_ipv6", "1");
    const UniqueFd tun = open_tun(pair.left, "tun0", IFF_TUN, ARPHRD_NONE);
    ip_in(pair.left, "address add 198.18.1.1/30 dev tun0");
    ip_in(pair.left, "link set tun0 up");
    const UdpSink sink{pair.left, "198.18.1.1", kPort};
    CounterLayout layout = Counting::only_points();
    layout.taps = taps;
    Counting counting{{{"a", &pair.left}}, layout};
    const Bytes packet = ipv4("198.18.1.2", "198.18.1.1", 17, udp(1000, kPort, kPayload));
    write_packets(tun, packet, 40);
    UdpSource{pair.left}.send("198.18.1.2", kPort, kPayload, 60);
    std::array<char, 2048> sent{};  // counted by the device once it is read
    for (int i = 0; i < 60; ++i)
      REQUIRE(::read(tun.get(), sent.data(), sent.size()) == static_cast<ssize_t>(packet.size()));
    const CounterValues expected = frames(40, 60, kFrame - 14);
    const Counted counted = counting.finish();
    CHECK(counted.devices.at("a,tun0") == expected);
    check_statistics(pair.left, "tun0", expected);
  }
}

TEST_CASE("a device whose type says nothing of its link header: what was pulled counts") {
  for (const bool taps : {false, true}) {
    CAPTURE(taps);
    const VethPair pair;
    set_sysctl(pair.left, "ipv6/conf/default/disable_ipv6", "1");
    const UniqueFd tun = open_tun(pair.left, "tun0", IFF_TAP, ARPHRD_IEEE1394);
    ip_in(pair.left, "link set tun0 up");
    CounterLayout layout = Counting::only_points();
    layout.taps = taps;
    Counting counting{{{"a", &pair.left}}, layout};
    const Bytes packet = ipv4("198.18.1.2", "198.18.1.1", 17, udp(1000, kPort, kPayload));
    write_packets(tun, ethernet(packet, 0x0800), 40);
    CHECK(counting.finish().devices.at("a,tun0") == frames(40, 0));
    check_statistics(pair.left, "tun0", frames(40, 0));
  }
}

TEST_CASE("T66 one with a tap, which ends there: what it sent since is reported missing") {
  const VethPair pair;
  tc_in(pair.left, "qdisc add dev eth0 root pfifo");
  Counters counters{points(pair, {"container"})};
  CHECK(talk_around_a_journey(pair, counters).code == 3);
  const Sums sums = sums_of(counters.file());
  CHECK(sums.series.at(last_part(pair.left)) == frames(0, 100));
  CHECK(sums.series.at(last_part(pair.right)) == frames(150, 0));
  CHECK(says(counters, last_part(pair.left) + " eth0: was taken away and came back"));
}

TEST_CASE("T66 a device that is removed: its counts stay; its successor is reported missing") {
  const VethPair pair;
  Counters counters{points(pair, {"container"})};
  {
    UdpSink sink{pair.right, kRight, kPort};
    UdpSource{pair.left}.send(kRight, kPort, kPayload, 100);
    REQUIRE(sink.take(100) == 100);
  }
  pair.remove();
  ip_in(pair.left, fmt::format("link add eth0 address {} type veth peer name eth0 netns {}",
                               kLeftMac, path_of(pair.right)));
  for (const NetNs* netns : {&pair.left, &pair.right}) {
    ip_in(*netns, "link set eth0 addrgenmode none");
    ip_in(*netns, "link set eth0 up");
  }
  ip_in(pair.left, fmt::format("address add {}/30 dev eth0", kLeft));
  ip_in(pair.left,
        fmt::format("neigh replace {} lladdr {} dev eth0 nud permanent", kRight, kRightMac));
  UdpSource{pair.left}.send(kRight, kPort, kPayload, 50);
  CHECK(counters.end().code == 3);
  const Sums sums = sums_of(counters.file());
  CHECK(sums.series.at(last_part(pair.left)) == frames(0, 100));
  CHECK(sums.series.at(last_part(pair.right)) == frames(100, 0));
  CHECK(says(counters, last_part(pair.left) + " eth0: went away; counted until then"));
  CHECK(says(counters, last_part(pair.left) + " eth0: appeared while counting; not counted"));
}
}  // namespace tl::counters_devices_test
