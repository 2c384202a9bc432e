// The traffic-control hooks of a device (tcx, Linux 6.6,
// Documentation/bpf/libbpf/program_types.rst): where it hands what comes to the stack, and where
// the stack hands over what goes. No packet is cloned for them, as it is for a tap.
#pragma once

#include <cstdint>
#include <optional>

#include "base/fd.hh"
#include "base/netlink.hh"

namespace tl {

// Whether the driver gets exactly the packets that pass the hook of what goes: nothing between the
// two queues, drops or segments them. `rtnetlink`: of the device's namespace.
bool sends_what_tcx_sees(const UniqueFd& rtnetlink, const Link& link);

// Programs at both hooks of a device, for as long as this lives and the device exists, wherever it
// moves.
class TcxLinks {
 public:
  // In front of all other programs for what comes, behind them for what goes. The calling thread is
  // in the device's namespace. nullopt where the kernel has no such hooks, or the caller no right
  // to use them (CAP_NET_ADMIN).
  static std::optional<TcxLinks> attach(int rx_program, int tx_program, std::uint32_t ifindex);

 private:
  TcxLinks(UniqueFd rx, UniqueFd tx) : rx_{std::move(rx)}, tx_{std::move(tx)} {}
  UniqueFd rx_, tx_;
};

}  // namespace tl
