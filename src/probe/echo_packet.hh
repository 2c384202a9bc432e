// The bytes of an ICMP echo request, and whether an answer belongs to it. ICMP (RFC 792) and ICMPv6
// (RFC 4443) share this layout: type, code, checksum, identifier, sequence, payload.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tl {

// What a round of echo requests has in common. The payload begins with the nonce, so that replies
// to other programs, to earlier rounds, and forged ones never match; the rest is a fixed pattern.
struct EchoIdentity {
  bool is_ipv6 = false;
  std::uint16_t identifier = 0;  // host byte order
  std::uint64_t nonce = 0;
  std::size_t payload_bytes = 56;  // at least kLeastPayload
};
inline constexpr std::size_t kEchoHeader = 8;
inline constexpr std::size_t kLeastPayload = sizeof(EchoIdentity::nonce);

// An echo request. The checksum is filled in for IPv4 only: with ICMPv6 the kernel does it
// (RFC 3542, 3.1).
std::vector<std::uint8_t> echo_request(const EchoIdentity& identity, std::uint16_t sequence);

enum class EchoMatch {
  ours,      // an answer to a request of this round, every byte of the payload as sent
  foreign,   // not an echo reply, or one with another identifier: somebody else's
  mismatch,  // an echo reply with our identifier and a payload that we did not send
};
struct EchoAnswer {
  EchoMatch match = EchoMatch::foreign;
  std::uint16_t sequence = 0;  // host byte order
};
// `message` begins at the ICMP header.
EchoAnswer match_reply(const EchoIdentity& identity, std::span<const std::uint8_t> message);
// The same for a copy of a request: what the kernel returns with a transmit timestamp (`message`
// begins at the link or network header) or what a router quotes in an ICMP error (`message` begins
// at the ICMP header and may be cut off after it).
EchoAnswer match_sent_copy(const EchoIdentity& identity, std::span<const std::uint8_t> message);
EchoAnswer match_quoted(const EchoIdentity& identity, std::span<const std::uint8_t> message);

// The ICMP message in what a socket received: raw IPv4 sockets deliver the IP header, with its
// options, in front (raw(7)). Empty when the packet is too short.
std::span<const std::uint8_t> icmp_message(std::span<const std::uint8_t> packet,
                                           bool has_ipv4_header);

}  // namespace tl
