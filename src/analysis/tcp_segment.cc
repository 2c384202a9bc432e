#include "analysis/tcp_segment.hh"

#include <algorithm>

#include "analysis/byte_order.hh"

namespace tl {
namespace {

// Nearly every segment has no options, or timestamps laid out as RFC 7323 appendix A recommends:
// two paddings, kind 8, length 10. Saves the walk over the options.
bool take_usual_options(const Packet& packet, const PacketInfo& info, TcpOptions& options) {
  constexpr std::uint32_t kFixedBytes = 20, kUsualBytes = 12, kUsualStart = 0x0101080A;
  const std::uint32_t header_bytes = tcp_header_bytes(packet, info);
  if (header_bytes == kFixedBytes) return true;
  const std::size_t begin = info.transport_offset + std::size_t{kFixedBytes};
  if (header_bytes != kFixedBytes + kUsualBytes || packet.captured_bytes < begin + kUsualBytes)
    return false;
  const std::uint8_t* at = packet.data + begin;
  if (load_be32(at) != kUsualStart) return false;
  options.timestamps = TcpOptions::Timestamps{load_be32(at + 4), load_be32(at + 8)};
  return true;
}

}  // namespace

TcpSegment tcp_segment(const Packet& packet, const PacketInfo& info) {
  TcpSegment segment{packet.time_ns,
                     info.sequence,
                     info.acknowledgment,
                     info.payload_bytes,
                     info.window,
                     info.tcp_flags,
                     {}};
  if (!take_usual_options(packet, info, segment.options))
    segment.options = tcp_options(packet, info);
  return segment;
}

}  // namespace tl
