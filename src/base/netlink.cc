#include "base/netlink.hh"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>

#include "base/errors.hh"
#include "base/fd.hh"

namespace tl {
namespace {

constexpr int kIflaGsoIpv4MaxSize = 63;  // IFLA_GSO_IPV4_MAX_SIZE, linux/if_link.h since 6.3

// Calls visit(attribute) for every rtattr in the buffer.
template <class Visit>
void each_attribute(const rtattr* first, std::size_t length, Visit&& visit) {
  auto left = static_cast<int>(length);
  for (const rtattr* a = first; RTA_OK(a, left); a = RTA_NEXT(a, left)) visit(*a);
}

std::string text_of(const rtattr& a) {
  const auto* begin = static_cast<const char*>(RTA_DATA(&a));
  return {begin, ::strnlen(begin, RTA_PAYLOAD(&a))};
}

template <class T>
T value_of(const rtattr& a) {
  T value{};
  std::memcpy(&value, RTA_DATA(&a), std::min<std::size_t>(sizeof value, RTA_PAYLOAD(&a)));
  return value;
}

// Sends one dump request and calls visit(header) for every message of the answer.
template <class Body>
void dump(const UniqueFd& socket, std::uint16_t type, const Body& body,
          const std::function<void(const nlmsghdr&)>& visit) {
  struct {
    nlmsghdr header;
    Body body;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body = body;
  if (::send(socket.get(), &request, sizeof request, 0) < 0)
    throw_errno("send", "rtnetlink request");
  alignas(nlmsghdr) std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t n = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read", "rtnetlink answer");
    auto left = static_cast<unsigned>(n);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(h, left);
         h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_type == NLMSG_DONE) return;
      if (h->nlmsg_type == NLMSG_ERROR) {
        throw_errno(-static_cast<const nlmsgerr*>(NLMSG_DATA(h))->error, "read",
                    "rtnetlink answer");
      }
      visit(*h);
    }
  }
}

LinkStatistics statistics_of(const rtattr& a) {
  const auto s = value_of<rtnl_link_stats64>(a);
  return {s.rx_packets, s.tx_packets, s.rx_bytes,   s.tx_bytes,         s.rx_errors,
          s.tx_errors,  s.rx_dropped, s.tx_dropped, s.rx_missed_errors, s.rx_nohandler};
}

void apply(Link& link, const rtattr& a) {
  switch (a.rta_type) {
    case IFLA_IFNAME:
      link.name = text_of(a);
      break;
    case IFLA_ADDRESS:
      link.address =
          fmt::format("{:02x}", fmt::join(std::span{static_cast<const std::uint8_t*>(RTA_DATA(&a)),
                                                    static_cast<std::size_t>(RTA_PAYLOAD(&a))},
                                          ":"));
      break;
    case IFLA_QDISC:
      link.qdisc = text_of(a);
      break;
    case IFLA_MTU:
      link.mtu = value_of<std::uint32_t>(a);
      break;
    case IFLA_GSO_MAX_SIZE:
      link.gso_max_size = value_of<std::uint32_t>(a);
      break;
    case kIflaGsoIpv4MaxSize:
      link.gso_ipv4_max_size = value_of<std::uint32_t>(a);
      break;
    case IFLA_GSO_MAX_SEGS:
      link.gso_max_segs = value_of<std::uint32_t>(a);
      break;
    case IFLA_LINK:
      link.peer_ifindex = value_of<int>(a);
      break;
    case IFLA_STATS64:
      link.statistics = statistics_of(a);
      break;
    case IFLA_XDP:
      each_attribute(static_cast<const rtattr*>(RTA_DATA(&a)), RTA_PAYLOAD(&a),
                     [&](const rtattr& inner) {
                       if (inner.rta_type == IFLA_XDP_ATTACHED)
                         link.has_xdp = value_of<std::uint8_t>(inner) != XDP_ATTACHED_NONE;
                     });
      break;
    case IFLA_LINKINFO:
      each_attribute(static_cast<const rtattr*>(RTA_DATA(&a)), RTA_PAYLOAD(&a),
                     [&](const rtattr& inner) {
                       if (inner.rta_type == IFLA_INFO_KIND) link.kind = text_of(inner);
                     });
      break;
    default:
      break;
  }
}

}  // namespace

UniqueFd open_rtnetlink() {
  UniqueFd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (!socket.valid()) throw_errno("open", "rtnetlink socket");
  return socket;
}

std::vector<Link> list_links() { return list_links(open_rtnetlink()); }

std::vector<Link> list_links(const UniqueFd& rtnetlink) {
  std::vector<Link> links;
  ifinfomsg wanted{};
  wanted.ifi_family = AF_UNSPEC;
  dump(rtnetlink, RTM_GETLINK, wanted, [&](const nlmsghdr& h) {
    const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(&h));
    Link link;
    link.ifindex = info->ifi_index;
    link.type = info->ifi_type;
    link.is_up = (info->ifi_flags & IFF_UP) != 0;
    each_attribute(IFLA_RTA(info), IFLA_PAYLOAD(&h), [&](const rtattr& a) { apply(link, a); });
    links.push_back(std::move(link));
  });
  return links;
}

const Link* find_link(const std::vector<Link>& links, int ifindex) {
  const auto found = std::find_if(links.begin(), links.end(),
                                  [&](const Link& link) { return link.ifindex == ifindex; });
  return found == links.end() ? nullptr : &*found;
}

bool has_clsact(const UniqueFd& rtnetlink, int ifindex) {
  bool found = false;
  dump(rtnetlink, RTM_GETQDISC, tcmsg{}, [&](const nlmsghdr& h) {
    const auto* qdisc = static_cast<const tcmsg*>(NLMSG_DATA(&h));
    if (qdisc->tcm_ifindex != ifindex) return;
    each_attribute(TCA_RTA(qdisc), TCA_PAYLOAD(&h), [&](const rtattr& a) {
      found = found || (a.rta_type == TCA_KIND && text_of(a) == "clsact");
    });
  });
  return found;
}

std::vector<Address> list_addresses() {
  std::vector<Address> addresses;
  ifaddrmsg wanted{};
  wanted.ifa_family = AF_UNSPEC;
  dump(open_rtnetlink(), RTM_GETADDR, wanted, [&](const nlmsghdr& h) {
    const auto* info = static_cast<const ifaddrmsg*>(NLMSG_DATA(&h));
    Address address{static_cast<int>(info->ifa_index), "", info->ifa_prefixlen,
                    info->ifa_family == AF_INET6};
    each_attribute(IFA_RTA(info), IFA_PAYLOAD(&h), [&](const rtattr& a) {
      // IFA_LOCAL is our end on point-to-point links; IPv6 has IFA_ADDRESS only.
      if (a.rta_type != IFA_LOCAL && (a.rta_type != IFA_ADDRESS || !address.text.empty())) return;
      std::array<char, INET6_ADDRSTRLEN> text{};
      ::inet_ntop(info->ifa_family, RTA_DATA(&a), text.data(), text.size());
      address.text = text.data();
    });
    addresses.push_back(std::move(address));
  });
  return addresses;
}

std::vector<Route> list_routes() {
  std::vector<Route> routes;
  rtmsg wanted{};
  wanted.rtm_family = AF_INET;
  dump(open_rtnetlink(), RTM_GETROUTE, wanted, [&](const nlmsghdr& h) {
    const auto* info = static_cast<const rtmsg*>(NLMSG_DATA(&h));
    Route route{"0.0.0.0", info->rtm_dst_len};
    each_attribute(RTM_RTA(info), RTM_PAYLOAD(&h), [&](const rtattr& a) {
      std::array<char, INET_ADDRSTRLEN> text{};
      if (a.rta_type == RTA_DST &&
          ::inet_ntop(AF_INET, RTA_DATA(&a), text.data(), text.size()) != nullptr)
        route.destination = text.data();
    });
    routes.push_back(std::move(route));
  });
  return routes;
}

}  // namespace tl
