// Packets of one device as they pass, for an analysis that runs along.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "analysis/pass.hh"
#include "base/netns.hh"
#include "probe/packet_ring.hh"

namespace tl::live {

struct PacketTapOptions {
  std::string device;
  std::string filter;                 // pcap-filter(7)
  std::uint32_t snaplen_bytes = 192;  // every header of TCP over IPv6 with options and tags
  std::uint64_t ring_bytes = 8U << 20;
};

class PacketTap {
 public:
  // Throws UsageError (filter, no such device) or MachineError (privilege, device down). Needs its
  // privileges here alone.
  PacketTap(const NetNs& netns, PacketTapOptions options);

  // Hands everything that has come to `walk`; when nothing has, waits for it up to `limit`. Throws
  // MeasurementError when the device is gone.
  void read(Walk& walk, std::chrono::milliseconds limit);
  // What the kernel counted: received, and dropped while we were too slow.
  [[nodiscard]] const RingStatistics& statistics() { return ring_->read_statistics(); }

 private:
  void keep(const RingPacket& packet);
  void flush(Walk& walk);

  PacketTapOptions options_;
  std::unique_ptr<PacketRing> ring_;
  std::uint32_t link_type_ = 0;
  std::vector<std::uint8_t> bytes_;  // of packets_: a block goes back to the kernel as it is read
  std::vector<Packet> packets_;
  std::uint64_t handed_ = 0;
};

}  // namespace tl::live
