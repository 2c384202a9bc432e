// A veth peer that does not take packets while a burst is sent, so that its queue of 256 fills up:
// the one place where a veth device refuses packets, without touching anything of the machine's.
#pragma once

#include <functional>

#include "support/veth_pair.hh"

namespace tl::test {

// Packets that the queue towards a peer with NAPI holds (VETH_RING_SIZE, drivers/net/veth.c).
constexpr std::uint64_t kPeerQueue = 256;

class SlowPeer {
 public:
  // From now on a kernel thread takes what arrives at the right end (threaded NAPI); the left end
  // hands over single packets only. Throws MachineError when the kernel does not do that.
  explicit SlowPeer(const VethPair& pair);
  // Runs `burst` on the thread's CPU with real-time priority: the peer takes nothing until it
  // returns.
  void during(const std::function<void()>& burst) const;
};

}  // namespace tl::test
