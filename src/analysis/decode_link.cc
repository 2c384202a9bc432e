#include "analysis/decode_link.hh"

#include "analysis/byte_order.hh"
#include "analysis/decode.hh"

namespace tl {
namespace {

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800, kEtherTypeIpv6 = 0x86DD;

LinkPayload::Kind kind_of_ether_type(std::uint16_t type) {
  if (type == kEtherTypeIpv4) return LinkPayload::ipv4;
  if (type == kEtherTypeIpv6) return LinkPayload::ipv6;
  return LinkPayload::other;
}

bool is_vlan_tag(std::uint16_t type) {
  return type == 0x8100 || type == 0x88A8 || type == 0x9100;  // 802.1Q, 802.1ad, old QinQ
}

// The ether type at `at`, behind any VLAN tags.
LinkPayload behind_ether_type(const Packet& packet, std::uint32_t at) {
  for (int tags = 0; tags <= kMostTags; ++tags) {
    if (packet.captured_bytes < at + 2) return {};
    const std::uint16_t type = load_be16(packet.data + at);
    at += 2;
    if (!is_vlan_tag(type)) return {kind_of_ether_type(type), 0, at};
    at += 2;  // priority and VLAN number
  }
  return {};
}

// An 802.3 length instead of a type: LLC follows. With SNAP and no organisation it carries an ether
// type again (RFC 1042).
LinkPayload behind_llc(const Packet& packet, std::uint32_t at) {
  constexpr std::uint32_t kSnapBytes = 8;
  if (packet.captured_bytes < at + kSnapBytes) return {LinkPayload::other, 0, at};
  const std::uint8_t* llc = packet.data + at;
  const bool is_snap =
      llc[0] == 0xAA && llc[1] == 0xAA && llc[2] == 3 && llc[3] == 0 && llc[4] == 0 && llc[5] == 0;
  if (!is_snap) return {LinkPayload::other, 0, at};
  return {kind_of_ether_type(load_be16(llc + 6)), 0, at + kSnapBytes};
}

LinkPayload ethernet(const Packet& packet) {
  constexpr std::uint32_t kTypeOffset = 12, kHeaderBytes = 14;
  constexpr std::uint16_t kFirstEtherType = 0x0600;
  if (packet.captured_bytes < kHeaderBytes) return {};
  if (load_be16(packet.data + kTypeOffset) < kFirstEtherType)
    return behind_llc(packet, kHeaderBytes);
  return behind_ether_type(packet, kTypeOffset);
}

// The packet type of cooked headers (packet(7)): 4 is outgoing, the others came in.
std::uint8_t cooked_direction(unsigned packet_type) {
  constexpr unsigned kOutgoing = 4;
  return packet_type == kOutgoing ? kSent : kReceived;
}

LinkPayload cooked(const Packet& packet) {
  constexpr std::uint32_t kProtocolOffset = 14, kHeaderBytes = 16;
  if (packet.captured_bytes < kHeaderBytes) return {};
  LinkPayload inner = behind_ether_type(packet, kProtocolOffset);
  inner.direction = cooked_direction(load_be16(packet.data));
  return inner;
}

// Version 2 has the protocol first; a VLAN tag, when there is one, follows the header.
LinkPayload cooked2(const Packet& packet) {
  constexpr std::uint32_t kTypeOffset = 10, kHeaderBytes = 20;
  if (packet.captured_bytes < kHeaderBytes) return {};
  const std::uint16_t type = load_be16(packet.data);
  LinkPayload inner{kind_of_ether_type(type), 0, kHeaderBytes};
  if (is_vlan_tag(type)) inner = behind_ether_type(packet, kHeaderBytes + 2);
  inner.direction = cooked_direction(packet.data[kTypeOffset]);
  return inner;
}

// Four bytes of address family, in the byte order of whoever captured: values are small, so the
// order shows. AF_INET is 2 everywhere; AF_INET6 differs by system.
LinkPayload loopback(const Packet& packet) {
  constexpr std::uint32_t kHeaderBytes = 4;
  if (packet.captured_bytes < kHeaderBytes) return {};
  std::uint32_t family = load_le<std::uint32_t>(packet.data);
  if (family > 0xFFFF) family = byte_swapped(family);
  if (family == 2) return {LinkPayload::ipv4, 0, kHeaderBytes};
  if (family == 10 || family == 24 || family == 28 || family == 30)
    return {LinkPayload::ipv6, 0, kHeaderBytes};
  return {LinkPayload::other, 0, kHeaderBytes};
}

// RFC 1661 and 1662: an optional address and control, then a protocol of one or two bytes.
LinkPayload ppp(const Packet& packet) {
  std::uint32_t at = 0;
  if (packet.captured_bytes >= 2 && packet.data[0] == 0xFF && packet.data[1] == 0x03) at = 2;
  if (packet.captured_bytes < at + 2) return {};
  const bool is_short = (packet.data[at] & 1) != 0;
  const std::uint16_t protocol = is_short ? packet.data[at] : load_be16(packet.data + at);
  at += is_short ? 1 : 2;
  constexpr std::uint16_t kPppIpv4 = 0x21, kPppIpv6 = 0x57;
  if (protocol == kPppIpv4) return {LinkPayload::ipv4, 0, at};
  if (protocol == kPppIpv6) return {LinkPayload::ipv6, 0, at};
  return {LinkPayload::other, 0, at};
}

}  // namespace

LinkPayload link_payload(const Packet& packet) {
  switch (packet.link_type) {
    case 0:
    case 108:
      return loopback(packet);
    case 1:
      return ethernet(packet);
    case 9:
      return ppp(packet);
    case 12:  // DLT_RAW of most systems and of OpenBSD, as old files carry them
    case 14:
    case 101:
      return {LinkPayload::ip, 0, 0};
    case 113:
      return cooked(packet);
    case 228:
      return {LinkPayload::ipv4, 0, 0};
    case 229:
      return {LinkPayload::ipv6, 0, 0};
    case 276:
      return cooked2(packet);
    default:
      return {};
  }
}

}  // namespace tl
