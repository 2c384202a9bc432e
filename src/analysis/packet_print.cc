#include "analysis/packet_print.hh"

#include <algorithm>
#include <cstring>

#include "analysis/byte_order.hh"
#include "analysis/decode_link.hh"
#include "analysis/keyed_hash.hh"

namespace tl {
namespace {

std::uint64_t hash_address(std::uint64_t state, const Address16& address) {
  std::uint64_t words[2];
  std::memcpy(words, address.bytes.data(), sizeof words);
  return hash_mix(hash_mix(state, words[0]), words[1]);
}

// Identification, flags and offset of IPv4: they tell a repetition from a copy.
std::uint32_t ipv4_identity(const Packet& packet, std::uint32_t ip_offset) {
  constexpr std::uint32_t kAt = 4, kBytes = 4;
  if (packet.captured_bytes < ip_offset + kAt + kBytes) return 0;
  return load_be32(packet.data + ip_offset + kAt);
}

}  // namespace

std::uint32_t common_bytes(std::uint32_t snaplen_a, std::uint32_t snaplen_b) {
  constexpr std::uint32_t kLongestLinkHeader = 30;  // Ethernet with four VLAN tags
  constexpr std::uint32_t kUnlimited = 65536;
  const std::uint32_t a = snaplen_a == 0 ? kUnlimited : snaplen_a;
  const std::uint32_t b = snaplen_b == 0 ? kUnlimited : snaplen_b;
  const std::uint32_t smaller = std::min(a, b);
  return smaller > kLongestLinkHeader ? smaller - kLongestLinkHeader : 0;
}

PacketPrinter::PacketPrinter(std::uint32_t most_bytes)
    : most_bytes_{most_bytes}, seed_{random_hash_key()} {}

// [from, to) of the packet's bytes, as far as they were captured.
std::uint64_t PacketPrinter::hash_bytes(std::uint64_t state, const Packet& packet,
                                        std::uint32_t from, std::uint32_t to) const {
  to = std::min(to, packet.captured_bytes);
  for (; from < to; from += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, packet.data + from, std::min<std::size_t>(8, to - from));
    state = hash_mix(state, word);
  }
  return state;
}

PacketPrint PacketPrinter::print(const Packet& packet, const PacketInfo& info) const {
  PacketPrint out;
  out.path = hash_address(hash_address(seed_ + info.ip_version, info.source), info.destination);
  out.flow = hash_mix(out.path, std::uint64_t{info.protocol} << 32 |
                                    std::uint64_t{info.source_port} << 16 | info.destination_port);
  const std::uint32_t ip_offset = link_payload(packet).offset;
  const std::uint32_t identity = info.ip_version == 4 ? ipv4_identity(packet, ip_offset) : 0;
  out.whole = hash_mix(out.flow, std::uint64_t{identity} << 32 | info.payload_bytes);
  if (info.is_tcp() && (info.flags & kFragment) == 0) {
    Packet kept = packet;
    kept.captured_bytes = std::min(packet.captured_bytes, ip_offset + most_bytes_);
    const TcpOptions options = tcp_options(kept, info);
    constexpr std::uint8_t kStays = kFin | kSyn | kRst | kAck;
    const TcpOptions::Timestamps stamps = options.timestamps.value_or(TcpOptions::Timestamps{0, 0});
    out.whole = hash_mix(out.whole, std::uint64_t{info.sequence} << 32 | info.acknowledgment);
    out.whole = hash_mix(out.whole, std::uint64_t{stamps.value} << 32 | stamps.echo);
    out.whole = hash_mix(out.whole,
                         static_cast<std::uint64_t>(info.tcp_flags & kStays) << 16 | info.window);
    for (std::size_t i = 0; i < options.sack_count; ++i)
      out.whole =
          hash_mix(out.whole, std::uint64_t{options.sack[i].begin} << 32 | options.sack[i].end);
    constexpr std::uint32_t kMostPayload = 1U << 30;
    out.is_stream = info.payload_bytes != 0 && info.payload_bytes < kMostPayload &&
                    (info.tcp_flags & (kSyn | kRst)) == 0;
    out.begin = info.sequence;
    out.end = info.sequence + info.payload_bytes;
    if (options.timestamps) out.timestamp_value = options.timestamps->value;
    return out;
  }
  // Not the UDP checksum, which offload leaves open; what follows it tells datagrams apart.
  constexpr std::uint32_t kMostPrefix = 32, kUdpBytes = 8;
  if (info.transport_offset == 0) return out;
  const std::uint32_t from =
      info.transport_offset + (info.protocol == kProtocolUdp ? kUdpBytes : 0);
  out.whole =
      hash_bytes(out.whole, packet, from, std::min(from + kMostPrefix, ip_offset + most_bytes_));
  return out;
}

}  // namespace tl
