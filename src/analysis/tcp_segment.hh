// One TCP segment as the RTT rules see it, from a file or from a live tap.
#pragma once

#include <cstdint>

#include "analysis/decode.hh"

namespace tl {

struct TcpSegment {
  std::int64_t time_ns = 0;  // of the tap; any epoch, but one for all segments
  std::uint32_t sequence = 0, acknowledgment = 0;
  std::uint32_t payload_bytes = 0;
  std::uint16_t window = 0;  // unscaled
  std::uint8_t flags = 0;    // TcpFlag
  TcpOptions options;        // only timestamps and SACK blocks are looked at
};

// The segment that `packet` is. REQUIRES: info is this packet's, and info.is_tcp().
TcpSegment tcp_segment(const Packet& packet, const PacketInfo& info);

}  // namespace tl
