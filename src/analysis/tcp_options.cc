#include <algorithm>

#include "analysis/byte_order.hh"
#include "analysis/decode.hh"

namespace tl {
namespace {

constexpr std::uint32_t kFixedBytes = 20;

void take_option(std::uint8_t kind, std::span<const std::uint8_t> value, TcpOptions& options) {
  constexpr std::uint8_t kMaximumSegment = 2, kWindowScale = 3, kSackPermitted = 4, kSack = 5,
                         kTimestamps = 8;
  const std::uint8_t* at = value.data();
  if (kind == kMaximumSegment && value.size() == 2) options.maximum_segment_bytes = load_be16(at);
  if (kind == kWindowScale && value.size() == 1) options.window_scale = at[0];
  if (kind == kSackPermitted && value.empty()) options.sack_permitted = true;
  if (kind == kTimestamps && value.size() == 8)
    options.timestamps = TcpOptions::Timestamps{load_be32(at), load_be32(at + 4)};
  if (kind != kSack || value.size() % 8 != 0) return;
  const std::size_t blocks = std::min(value.size() / 8, options.sack.size());
  for (std::size_t i = 0; i < blocks; ++i)
    options.sack[i] = {load_be32(at + i * 8), load_be32(at + i * 8 + 4)};
  options.sack_count = static_cast<std::uint8_t>(blocks);
}

}  // namespace

std::uint32_t tcp_header_bytes(const Packet& packet, const PacketInfo& info) {
  constexpr std::size_t kOffsetByte = 12;
  return (packet.data[info.transport_offset + kOffsetByte] >> 4) * 4U;
}

TcpOptions tcp_options(const Packet& packet, const PacketInfo& info) {
  constexpr std::uint8_t kEnd = 0, kPadding = 1;
  TcpOptions options;
  const std::size_t begin = info.transport_offset + kFixedBytes;
  const std::size_t end = std::min<std::size_t>(
      info.transport_offset + tcp_header_bytes(packet, info), packet.captured_bytes);
  if (begin >= end) return options;
  std::span<const std::uint8_t> rest{packet.data + begin, end - begin};
  while (!rest.empty() && rest[0] != kEnd) {
    if (rest[0] == kPadding) {
      rest = rest.subspan(1);
      continue;
    }
    if (rest.size() < 2 || rest[1] < 2 || rest[1] > rest.size()) break;
    take_option(rest[0], rest.subspan(2, rest[1] - 2U), options);
    rest = rest.subspan(rest[1]);
  }
  return options;
}

}  // namespace tl
