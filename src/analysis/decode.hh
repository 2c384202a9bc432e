// What the headers of one packet say. Reads captured bytes only, never past them, and takes what is
// missing as missing.
//
// Understood: Ethernet (802.3 SNAP, up to kMostTags VLAN tags of 802.1Q, 802.1ad, 0x9100), Linux
// cooked v1 and v2, BSD loopback, raw IP, PPP; IPv4, IPv6 with extension headers; TCP, UDP and the
// ports of SCTP and UDP-Lite. Tunnels are not opened: the outer addresses count.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "analysis/byte_order.hh"
#include "analysis/packet.hh"

namespace tl {

inline constexpr int kMostTags = 4;
inline constexpr int kMostExtensionHeaders = 8;
inline constexpr std::uint8_t kProtocolTcp = 6, kProtocolUdp = 17;

enum class Content : std::uint8_t {
  undecoded,  // the link type is unknown, or the captured bytes end or contradict themselves early
  not_ip,     // a frame of another protocol (ARP, LLDP, …)
  ip
};

// Bits of PacketInfo::flags.
enum InfoFlag : std::uint8_t {
  kFragment = 1,        // part of a fragmented datagram
  kNoTransport = 2,     // IP, but no ports: not the first fragment, header cut, or other protocol
  kLengthDerived = 4,   // the IP length was 0 (BIG TCP, jumbo): taken from the frame length
  kLengthMismatch = 8,  // the IP length exceeds the frame; the frame's is used
  kReceived = 16,       // the link header or the capture says: for this machine, or passing by
  kSent = 32,           // … sent by this machine
};

// TCP flag bits, as on the wire.
enum TcpFlag : std::uint8_t { kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16 };

// An IP address. IPv4 addresses use the first four bytes, the rest is zero.
struct Address16 {
  std::array<std::uint8_t, 16> bytes{};
  using Words = std::array<std::uint64_t, 2>;
  [[nodiscard]] Words words() const { return std::bit_cast<Words>(bytes); }
  bool operator==(const Address16& other) const {
    const Words ours = words(), theirs = other.words();
    return ((ours[0] ^ theirs[0]) | (ours[1] ^ theirs[1])) == 0;
  }
};

// Who speaks to whom, by what: the same for all packets of a flow that go one way.
struct FlowKey {
  Address16 source, destination;                        // network byte order
  std::uint16_t source_port = 0, destination_port = 0;  // 0 without
  std::uint8_t protocol = 0;                            // IP protocol number (6 TCP, 17 UDP, …)
  std::uint8_t ip_version = 0;                          // 4 or 6

  [[nodiscard]] bool is_reverse_of(const FlowKey& key) const {
    return source == key.destination && destination == key.source &&
           source_port == key.destination_port && destination_port == key.source_port &&
           protocol == key.protocol && ip_version == key.ip_version;
  }
  [[nodiscard]] FlowKey reversed() const {
    return {destination, source, destination_port, source_port, protocol, ip_version};
  }
  bool operator==(const FlowKey&) const = default;
};

// Both ports, and protocol and version, as they lie there.
inline std::uint32_t ports_word(const FlowKey& key) {
  static_assert(offsetof(FlowKey, destination_port) == offsetof(FlowKey, source_port) + 2);
  return load_le<std::uint32_t>(reinterpret_cast<const std::uint8_t*>(&key) +
                                offsetof(FlowKey, source_port));
}
inline std::uint16_t protocol_word(const FlowKey& key) {
  static_assert(offsetof(FlowKey, ip_version) == offsetof(FlowKey, protocol) + 1);
  return load_le<std::uint16_t>(reinterpret_cast<const std::uint8_t*>(&key) +
                                offsetof(FlowKey, protocol));
}

// What else the headers of a packet say. Its ports are 0 with kNoTransport, and all of its key is 0
// when content is not ip.
struct PacketInfo : FlowKey {
  Content content = Content::undecoded;
  std::uint8_t flags = 0;                          // InfoFlag
  std::uint32_t sequence = 0, acknowledgment = 0;  // TCP
  std::uint32_t ip_bytes = 0;          // IP header and everything in it, without link padding
  std::uint32_t payload_bytes = 0;     // behind the transport header; 0 when that header is cut
  std::uint16_t transport_offset = 0;  // of the transport header in the packet, 0 without one
  std::uint16_t window = 0;            // TCP, unscaled
  std::uint8_t tcp_flags = 0;

  [[nodiscard]] bool is_tcp() const {
    return protocol == kProtocolTcp && content == Content::ip && (flags & kNoTransport) == 0;
  }
};
static_assert(sizeof(PacketInfo) == 64, "one cache line");

// What kind of packet it is: protocol, IP version, content and flags, from the lowest byte on.
inline std::uint32_t kind_word(const PacketInfo& info) {
  return protocol_word(info) | static_cast<std::uint32_t>(info.content) << 16 |
         std::uint32_t{info.flags} << 24;
}

// Decodes one packet. Every field of `info` is set.
void decode(const Packet& packet, PacketInfo& info);
// The same for packets.size() of them.
void decode(std::span<const Packet> packets, PacketInfo* infos);

// The options of a TCP header. Selective acknowledgments as RFC 2018 orders them; the first may be
// a duplicate report (RFC 2883).
struct TcpOptions {
  struct Timestamps {
    std::uint32_t value, echo;
  };
  struct SackBlock {
    std::uint32_t begin, end;  // [begin, end)
  };
  std::optional<Timestamps> timestamps;
  std::optional<std::uint16_t> maximum_segment_bytes;  // only on SYN
  std::optional<std::uint8_t> window_scale;            // only on SYN
  bool sack_permitted = false;
  std::uint8_t sack_count = 0;
  std::array<SackBlock, 4> sack{};
};

// Length of the TCP header in bytes, 20…60.
std::uint32_t tcp_header_bytes(const Packet& packet, const PacketInfo& info);
// Parses on demand, for the passes that look at options. `info` must be this packet's, with
// protocol TCP and without kNoTransport. Options that were not captured are absent.
TcpOptions tcp_options(const Packet& packet, const PacketInfo& info);

// "198.18.0.2", "2001:db8::1".
std::string address_text(const Address16& address, std::uint8_t ip_version);
// The reverse; empty when the text is no address. Sets ip_version.
std::optional<Address16> address_from_text(const std::string& text, std::uint8_t& ip_version);
// "tcp", "udp", "icmp", … or the number.
std::string protocol_name(std::uint8_t protocol);

}  // namespace tl
