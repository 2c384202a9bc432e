// What makes one packet recognisable in another capture of the same traffic: everything that
// routers, offloads and taps leave alone. Not in it: link headers, TTL, DSCP and ECN, checksums,
// PSH (which segmentation moves), and bytes beyond what both captures kept.
#pragma once

#include <cstdint>
#include <optional>

#include "analysis/decode.hh"

namespace tl {

// Hashes are 64 bits wide under a secret: packets that differ have equal ones once in 2^64 pairs.
struct PacketPrint {
  std::uint64_t whole = 0;  // the packet
  std::uint64_t flow = 0;   // its direction of its flow: addresses, ports, protocol
  std::uint64_t path = 0;   // its addresses
  // TCP with payload: segmentation may cut it differently elsewhere.
  bool is_stream = false;
  std::uint32_t begin = 0, end = 0;              // [begin, end) of its sequence numbers
  std::optional<std::uint32_t> timestamp_value;  // TSval: what segmentation keeps
};

class PacketPrinter {
 public:
  // `most_bytes`: of a packet from its IP header on, what both captures have for certain.
  explicit PacketPrinter(std::uint32_t most_bytes);
  // REQUIRES: info is this packet's, its content ip.
  [[nodiscard]] PacketPrint print(const Packet& packet, const PacketInfo& info) const;

 private:
  [[nodiscard]] std::uint64_t hash_bytes(std::uint64_t state, const Packet& packet,
                                         std::uint32_t from, std::uint32_t to) const;
  std::uint32_t most_bytes_;
  std::uint64_t seed_;
};

// The `most_bytes` for two snapshot lengths; 0 is no limit.
std::uint32_t common_bytes(std::uint32_t snaplen_a, std::uint32_t snaplen_b);

}  // namespace tl
