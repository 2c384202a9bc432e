#include "support/qdisc.hh"

#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/errors.hh"
#include "base/netlink.hh"
#include "base/qdisc.hh"

namespace tl::test {
namespace {

template <class Visit>
void each_attribute(const rtattr* first, std::size_t length, Visit&& visit) {
  auto left = static_cast<int>(length);
  for (const rtattr* a = first; RTA_OK(a, left); a = RTA_NEXT(a, left)) visit(*a);
}

template <class T>
T value_of(const rtattr& a) {
  T value{};
  std::memcpy(&value, RTA_DATA(&a), std::min<std::size_t>(sizeof value, RTA_PAYLOAD(&a)));
  return value;
}

// TCA_STATS2 (net/core/gen_stats.c).
QdiscStatistics statistics_in(const rtattr& nest) {
  QdiscStatistics s;
  each_attribute(static_cast<const rtattr*>(RTA_DATA(&nest)), RTA_PAYLOAD(&nest),
                 [&](const rtattr& a) {
                   if (a.rta_type == TCA_STATS_BASIC) {
                     const auto basic = value_of<gnet_stats_basic>(a);
                     s.bytes = basic.bytes;
                     s.packets = basic.packets;
                   } else if (a.rta_type == TCA_STATS_QUEUE) {
                     const auto queue = value_of<gnet_stats_queue>(a);
                     s.drops = queue.drops;
                     s.requeues = queue.requeues;
                     s.backlog_bytes = queue.backlog;
                     s.backlog_packets = queue.qlen;
                   }
                 });
  return s;
}

}  // namespace

bool has_netem() {
  try {
    NetNs::create().run([] { shape_device("lo", {0, std::chrono::milliseconds{1}, 0}); });
  } catch (const MachineError&) {
    return false;
  }
  return true;
}

QdiscReader::QdiscReader(const NetNs& netns, const std::string& device)
    : socket_{netns.run([] { return open_rtnetlink(); })}, ifindex_{netns.run([&] {
        return static_cast<int>(::if_nametoindex(device.c_str()));
      })} {}

QdiscStatistics QdiscReader::read() const {
  struct {
    nlmsghdr header;
    tcmsg body;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETQDISC;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ECHO;  // or only listeners get the answer
  request.body.tcm_ifindex = ifindex_;
  request.body.tcm_parent = TC_H_ROOT;
  if (::send(socket_.get(), &request, sizeof request, 0) < 0)
    throw_errno("ask for", "qdisc statistics");
  alignas(nlmsghdr) std::array<char, 8192> buffer;
  const ssize_t bytes = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer.data());
  if (bytes < 0 || answer->nlmsg_type != RTM_NEWQDISC)
    throw MachineError{"read qdisc statistics: no answer"};
  const auto* message = static_cast<const tcmsg*>(NLMSG_DATA(answer));
  QdiscStatistics found;
  each_attribute(TCA_RTA(message), answer->nlmsg_len - NLMSG_LENGTH(sizeof(tcmsg)),
                 [&](const rtattr& a) {
                   if (a.rta_type == TCA_STATS2) found = statistics_in(a);
                 });
  return found;
}

}  // namespace tl::test
