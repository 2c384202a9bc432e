// What rtnetlink(7) says about the devices of the calling thread's network namespace. Use inside
// NetNs::run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.hh"

namespace tl {

// rtnl_link_stats64: bytes and packets as the driver counts them, 64 bit.
struct LinkStatistics {
  std::uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0;
  std::uint64_t rx_errors = 0, tx_errors = 0, rx_dropped = 0, tx_dropped = 0;
  std::uint64_t rx_missed_errors = 0, rx_nohandler = 0;
  bool operator==(const LinkStatistics&) const = default;
};

struct Link {
  int ifindex = 0;
  std::string name;
  std::string kind;        // "veth", "bridge", …; empty for devices without one (lo, physical)
  std::string address;     // link-layer, "02:00:00:00:00:01"; empty for devices without one
  std::string qdisc;       // root qdisc: "noqueue", "fq", …
  std::uint16_t type = 0;  // ARPHRD_…
  std::uint32_t mtu = 0;
  std::uint32_t gso_max_size = 0;       // bytes of the longest super-packet, of IPv6 since 6.3
  std::uint32_t gso_ipv4_max_size = 0;  // of IPv4; 0: the kernel has one limit for both
  std::uint32_t gso_max_segs = 0;
  bool is_up = false;
  bool has_xdp = false;  // an XDP program is attached
  int peer_ifindex =
      0;  // IFLA_LINK: the other end of a veth (in its own namespace), 0 when there is none
  LinkStatistics statistics;
};

// A socket bound to the namespace of the thread that opens it: to be read from anywhere, also
// without privileges.
UniqueFd open_rtnetlink();

// All devices, in the kernel's order. Throws MachineError.
std::vector<Link> list_links();
// The same for the namespace in which the socket was opened.
std::vector<Link> list_links(const UniqueFd& rtnetlink);

// The one with this number; null when there is none.
const Link* find_link(const std::vector<Link>& links, int ifindex);

// Whether the device has the qdisc `clsact`, the classic place of filters on what it sends
// (tc-bpf(8)). Newer programs (tcx) are not among them.
bool has_clsact(const UniqueFd& rtnetlink, int ifindex);

struct Address {
  int ifindex = 0;
  std::string text;  // "198.18.0.2", "fe80::1"
  int prefix_length = 0;
  bool is_ipv6 = false;
};
// All addresses of all devices.
std::vector<Address> list_addresses();

struct Route {
  std::string destination;  // IPv4 network address
  int prefix_length = 0;    // 0: the default route
};
// The IPv4 routes of all tables.
std::vector<Route> list_routes();

}  // namespace tl
