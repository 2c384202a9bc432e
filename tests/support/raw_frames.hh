// Frames put on a device as they are, by a packet socket; and a tag that the kernel keeps beside a
// packet's bytes.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.hh"
#include "base/netns.hh"
#include "support/capture_maker.hh"

namespace tl::test {

class RawSender {
 public:
  explicit RawSender(const NetNs& netns, const std::string& device = "eth0");
  // `protocol`: what the sender says that the frame carries; 0: nothing.
  void send(const Bytes& frame, std::uint64_t count, std::uint16_t protocol = 0) const;
  // By another device of the same namespace.
  void send_on(int ifindex, const Bytes& frame, std::uint64_t count,
               std::uint16_t protocol = 0) const;

 private:
  UniqueFd socket_;
  int ifindex_ = 0;
};

// From now on every packet that leaves the device has an 802.1Q tag beside its bytes
// (skb_vlan_push), as those of a VLAN device over one that inserts tags itself.
void tag_packets(const NetNs& netns, const std::string& device = "eth0");

}  // namespace tl::test
