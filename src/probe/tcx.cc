#include "probe/tcx.hh"

#include <bpf/bpf.h>

#include <algorithm>
#include <array>

#include "base/ethtool.hh"

namespace tl {
namespace {

// linux/bpf.h since 6.6
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);
constexpr std::uint32_t kBefore = 1U << 3, kAfter = 1U << 4;  // BPF_F_BEFORE, BPF_F_AFTER

// With these the device takes any super-packet whole (NETIF_F_GSO_SOFTWARE and
// NETIF_F_GSO_ENCAP_ALL of include/linux/netdev_features.h, and what they need); without one of
// them validate_xmit_skb() (net/core/dev.c) segments in front of the driver.
constexpr std::array kWholeSuperPackets{
    "tx-checksum-ip-generic",       "tx-scatter-gather",
    "tx-scatter-gather-fraglist",   "tx-tcp-segmentation",
    "tx-tcp-ecn-segmentation",      "tx-tcp-mangleid-segmentation",
    "tx-tcp6-segmentation",         "tx-gre-segmentation",
    "tx-gre-csum-segmentation",     "tx-ipxip4-segmentation",
    "tx-ipxip6-segmentation",       "tx-udp_tnl-segmentation",
    "tx-udp_tnl-csum-segmentation", "tx-sctp-segmentation",
    "tx-udp-segmentation",          "tx-gso-list"};
// What every device may send at once unless somebody lowered it (GSO_LEGACY_MAX_SIZE,
// GSO_MAX_SEGS).
constexpr std::uint32_t kUsualGsoSize = 65'536, kUsualGsoSegs = 65'535;

UniqueFd attach_one(int program, std::uint32_t ifindex, bpf_attach_type hook, std::uint32_t place) {
  bpf_link_create_opts options{};
  options.sz = sizeof options;
  options.flags = place;
  return UniqueFd{::bpf_link_create(program, static_cast<int>(ifindex), hook, &options)};
}

}  // namespace

bool sends_what_tcx_sees(const UniqueFd& rtnetlink, const Link& link) {
  if (link.qdisc != "noqueue" || link.gso_max_segs < kUsualGsoSegs ||
      link.gso_max_size < kUsualGsoSize ||
      (link.gso_ipv4_max_size != 0 && link.gso_ipv4_max_size < kUsualGsoSize))
    return false;
  const auto offloads = offloads_of(rtnetlink, link.name);
  const auto is_on = [&](const char* name) {
    const auto found = offloads.find(name);
    return found != offloads.end() && found->second;
  };
  return std::all_of(kWholeSuperPackets.begin(), kWholeSuperPackets.end(), is_on) &&
         !has_clsact(rtnetlink, link.ifindex);
}

std::optional<TcxLinks> TcxLinks::attach(int rx_program, int tx_program, std::uint32_t ifindex) {
  UniqueFd rx = attach_one(rx_program, ifindex, kTcxIngress, kBefore);
  UniqueFd tx = attach_one(tx_program, ifindex, kTcxEgress, kAfter);
  if (!rx.valid() || !tx.valid()) return std::nullopt;
  return TcxLinks{std::move(rx), std::move(tx)};
}

}  // namespace tl
