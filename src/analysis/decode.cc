#include "analysis/decode.hh"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "analysis/byte_order.hh"
#include "analysis/decode_link.hh"

namespace tl {
namespace {

constexpr std::uint32_t kEthernetBytes = 14, kIpv4Bytes = 20, kIpv6Bytes = 40, kTcpBytes = 20,
                        kUdpBytes = 8;
constexpr std::uint8_t kSctp = 132, kUdpLite = 136;
constexpr std::uint16_t kFragmentMask = 0x3FFF;  // offset and "more fragments"

void clear(PacketInfo& info) { std::memset(static_cast<void*>(&info), 0, sizeof info); }

std::uint32_t minus(std::uint32_t whole, std::uint32_t part) {
  return whole > part ? whole - part : 0;
}

// The IP length: what the header says, unless that is 0 (longer than 16 bits can say) or more than
// the frame has.
std::uint32_t ip_length(std::uint32_t stated, std::uint32_t on_wire, PacketInfo& info) {
  if (stated == 0) info.flags |= kLengthDerived;
  if (stated > on_wire) info.flags |= kLengthMismatch;
  return stated == 0 || stated > on_wire ? on_wire : stated;
}

inline void take_tcp(const std::uint8_t* at, std::uint32_t room, PacketInfo& info) {
  info.source_port = load_be16(at);
  info.destination_port = load_be16(at + 2);
  info.sequence = load_be32(at + 4);
  info.acknowledgment = load_be32(at + 8);
  info.tcp_flags = at[13];
  info.window = load_be16(at + 14);
  info.payload_bytes = minus(room, (at[12] >> 4) * 4U);
}

// The transport header at `offset`, of which the IP packet has `room` bytes on the wire.
void decode_transport(const Packet& packet, std::uint32_t offset, std::uint32_t room,
                      PacketInfo& info) {
  const std::uint8_t* at = packet.data + offset;
  const std::uint32_t captured = std::min(minus(packet.captured_bytes, offset), room);
  info.transport_offset = static_cast<std::uint16_t>(offset);
  if (info.protocol == kProtocolTcp && captured >= kTcpBytes && (at[12] >> 4) >= 5)
    return take_tcp(at, room, info);
  const bool has_ports =
      info.protocol == kProtocolUdp || info.protocol == kSctp || info.protocol == kUdpLite;
  if (!has_ports || captured < kUdpBytes) {
    info.flags |= kNoTransport;
    if (info.protocol != kProtocolTcp && !has_ports) info.payload_bytes = room;
    return;
  }
  info.source_port = load_be16(at);
  info.destination_port = load_be16(at + 2);
  constexpr std::uint32_t kSctpBytes = 12;
  info.payload_bytes = minus(room, info.protocol == kSctp ? kSctpBytes : kUdpBytes);
}

void later_fragment(std::uint32_t room, PacketInfo& info) {
  info.flags |= kNoTransport;
  info.payload_bytes = room;
}

void decode_ipv4(const Packet& packet, std::uint32_t offset, PacketInfo& info) {
  const std::uint8_t* at = packet.data + offset;
  const std::uint32_t header_bytes = (at[0] & 0xFU) * 4;
  if (minus(packet.captured_bytes, offset) < kIpv4Bytes || header_bytes < kIpv4Bytes) return;
  info.content = Content::ip;
  info.ip_version = 4;
  info.protocol = at[9];
  std::memcpy(info.source.bytes.data(), at + 12, 4);
  std::memcpy(info.destination.bytes.data(), at + 16, 4);
  info.ip_bytes = ip_length(load_be16(at + 2), minus(packet.length_bytes, offset), info);
  const std::uint16_t fragment = load_be16(at + 6) & kFragmentMask;
  const std::uint32_t room = minus(info.ip_bytes, header_bytes);
  constexpr std::uint16_t kOffsetMask = 0x1FFF;
  if (fragment != 0) info.flags |= kFragment;
  if ((fragment & kOffsetMask) != 0) return later_fragment(room, info);
  decode_transport(packet, offset + header_bytes, room, info);
}

// Steps over extension headers (RFC 8200 section 4). False when the chain is cut, or this is not
// the first fragment.
bool skip_extensions(const Packet& packet, std::uint32_t& at, PacketInfo& info) {
  constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragmentHeader = 44, kAuthentication = 51,
                         kDestination = 60, kMobility = 135;
  for (int headers = 0; headers < kMostExtensionHeaders; ++headers) {
    const std::uint8_t type = info.protocol;
    const bool is_plain =
        type == kHopByHop || type == kRouting || type == kDestination || type == kMobility;
    if (!is_plain && type != kFragmentHeader && type != kAuthentication) return true;
    if (minus(packet.captured_bytes, at) < 8) return false;
    const std::uint8_t* header = packet.data + at;
    info.protocol = header[0];
    if (type == kFragmentHeader) {
      const std::uint16_t field = load_be16(header + 2);
      if ((field & 0xFFF9) != 0) info.flags |= kFragment;
      at += 8;
      if ((field & 0xFFF8) != 0) return false;
      continue;
    }
    at += type == kAuthentication ? (header[1] + 2U) * 4 : (header[1] + 1U) * 8;
  }
  return true;
}

void decode_ipv6(const Packet& packet, std::uint32_t offset, PacketInfo& info) {
  if (minus(packet.captured_bytes, offset) < kIpv6Bytes) return;
  const std::uint8_t* at = packet.data + offset;
  info.content = Content::ip;
  info.ip_version = 6;
  info.protocol = at[6];
  std::memcpy(info.source.bytes.data(), at + 8, 16);
  std::memcpy(info.destination.bytes.data(), at + 24, 16);
  const std::uint32_t stated = load_be16(at + 4);
  const std::uint32_t on_wire = minus(packet.length_bytes, offset);
  info.ip_bytes = ip_length(stated == 0 ? 0 : stated + kIpv6Bytes, on_wire, info);
  std::uint32_t transport = offset + kIpv6Bytes;
  const bool reached = skip_extensions(packet, transport, info);
  const std::uint32_t room = minus(info.ip_bytes, transport - offset);
  if (!reached) return later_fragment(room, info);
  decode_transport(packet, transport, room, info);
}

// Everything but the common case.
void decode_any(const Packet& packet, PacketInfo& info) {
  const LinkPayload inner = link_payload(packet);
  info.flags |= inner.direction;
  if (inner.kind == LinkPayload::unknown) return;
  info.content = Content::not_ip;
  if (inner.kind == LinkPayload::other) return;
  info.content = Content::undecoded;
  if (inner.offset >= packet.captured_bytes) return;
  const unsigned version = packet.data[inner.offset] >> 4;
  if (version == 4 && inner.kind != LinkPayload::ipv6) decode_ipv4(packet, inner.offset, info);
  if (version == 6 && inner.kind != LinkPayload::ipv4) decode_ipv6(packet, inner.offset, info);
}

// Neighbours in PacketInfo, by one store each.
inline void set_kind(PacketInfo& info, std::uint8_t protocol) {
  static_assert(sizeof(FlowKey) == offsetof(FlowKey, ip_version) + 1, "content and flags follow");
  constexpr std::uint32_t kIpv4 = 4 << 8 | static_cast<std::uint32_t>(Content::ip) << 16;
  store_le(reinterpret_cast<std::uint8_t*>(&info) + offsetof(FlowKey, protocol), kIpv4 | protocol);
}
inline void set_ports(PacketInfo& info, const std::uint8_t* at) {
  store_le(reinterpret_cast<std::uint8_t*>(&info) + offsetof(FlowKey, source_port),
           std::rotl(load_be32(at), 16));
}
// The acknowledgment lies behind it.
inline void set_sequence(PacketInfo& info, const std::uint8_t* at) {
  store_le(reinterpret_cast<std::uint8_t*>(&info.sequence),
           std::rotl(byte_swapped(load_le<std::uint64_t>(at)), 32));
}
inline void set_ipv4(Address16& address, const std::uint8_t* at) {
  using Words [[gnu::vector_size(16)]] = std::uint32_t;  // one store
  const Words words{load_le<std::uint32_t>(at), 0, 0, 0};
  std::memcpy(address.bytes.data(), &words, sizeof words);
}

// Plain Ethernet, IPv4 without options or fragments, TCP or UDP, nothing cut: most packets of most
// captures. Every field of `info` is set, unless it returns false: then nothing is known of them.
inline bool decode_common(const Packet& packet, PacketInfo& info) {
  constexpr std::uint32_t kTransport = kEthernetBytes + kIpv4Bytes;
  // As loaded: the type 0x0800 with version 4 and five words; the fragment field.
  constexpr std::uint64_t kIpv4 = 0x450008, kIpv4Mask = 0xFFFFFF, kFragmentLoaded = 0xFF3F;
  const std::uint8_t* at = packet.data;
  if (packet.flags != 0 || packet.link_type != 1 || packet.captured_bytes < kTransport + kTcpBytes)
    return false;
  const auto first = load_le<std::uint64_t>(at + 12), second = load_le<std::uint64_t>(at + 20);
  if ((first & kIpv4Mask) != kIpv4 || (second & kFragmentLoaded) != 0) return false;
  const std::uint32_t ip_bytes = byte_swapped(static_cast<std::uint16_t>(first >> 32));
  if (ip_bytes + kEthernetBytes > packet.length_bytes) return false;
  const auto protocol = static_cast<std::uint8_t>(second >> 24);
  const std::uint8_t* const transport = at + kTransport;
  if (protocol == kProtocolTcp) {
    const std::uint32_t headers_bytes = kIpv4Bytes + ((transport[12] >> 2) & 0x3CU);
    if (headers_bytes < kIpv4Bytes + kTcpBytes || ip_bytes < headers_bytes) return false;
    set_kind(info, kProtocolTcp);
    set_sequence(info, transport + 4);
    info.payload_bytes = ip_bytes - headers_bytes;
    info.window = load_be16(transport + 14);
    info.tcp_flags = transport[13];
  } else {
    if (protocol != kProtocolUdp || ip_bytes < kIpv4Bytes + kUdpBytes) return false;
    set_kind(info, kProtocolUdp);
    info.sequence = info.acknowledgment = 0;
    info.payload_bytes = ip_bytes - kIpv4Bytes - kUdpBytes;
    info.window = 0;
    info.tcp_flags = 0;
  }
  set_ipv4(info.source, at + 26);
  set_ipv4(info.destination, at + 30);
  set_ports(info, transport);
  info.ip_bytes = ip_bytes;
  info.transport_offset = kTransport;
  return true;
}

[[gnu::noinline]] void decode_uncommon(const Packet& packet, PacketInfo& info) {
  clear(info);
  if ((packet.flags & kInbound) != 0) info.flags |= kReceived;
  if ((packet.flags & kOutbound) != 0) info.flags |= kSent;
  decode_any(packet, info);
}

}  // namespace

void decode(const Packet& packet, PacketInfo& info) { decode({&packet, 1}, &info); }

void decode(std::span<const Packet> packets, PacketInfo* infos) {
  for (const Packet& packet : packets) {
    if (!decode_common(packet, *infos)) [[unlikely]]
      decode_uncommon(packet, *infos);
    ++infos;
  }
}

}  // namespace tl
