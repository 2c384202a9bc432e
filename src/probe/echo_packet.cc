#include "probe/echo_packet.hh"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <algorithm>
#include <cstring>

namespace tl {
namespace {

std::uint16_t word_at(std::span<const std::uint8_t> bytes, std::size_t offset) {
  return static_cast<std::uint16_t>((bytes[offset] << 8U) | bytes[offset + 1]);
}

void put_word(std::span<std::uint8_t> bytes, std::size_t offset, std::uint16_t value) {
  bytes[offset] = static_cast<std::uint8_t>(value >> 8U);
  bytes[offset + 1] = static_cast<std::uint8_t>(value & 0xFFU);
}

std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes) {  // RFC 1071
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += word_at(bytes, i);
  if (bytes.size() % 2 == 1) sum += static_cast<std::uint32_t>(bytes.back()) << 8U;
  while (sum > 0xFFFF) sum = (sum & 0xFFFFU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

// Byte `i` of the payload: the nonce, then a pattern that differs from position to position.
std::uint8_t payload_byte(const EchoIdentity& identity, std::size_t i) {
  if (i < sizeof identity.nonce)
    return static_cast<std::uint8_t>((identity.nonce >> (8U * i)) & 0xFFU);
  return static_cast<std::uint8_t>(0x40U + i % 64U);
}

bool is_payload(const EchoIdentity& identity, std::span<const std::uint8_t> bytes) {
  if (bytes.size() != identity.payload_bytes) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] != payload_byte(identity, i)) return false;
  return true;
}

std::uint8_t request_type(const EchoIdentity& identity) {
  return identity.is_ipv6 ? std::uint8_t{ICMP6_ECHO_REQUEST} : std::uint8_t{ICMP_ECHO};
}
std::uint8_t reply_type(const EchoIdentity& identity) {
  return identity.is_ipv6 ? std::uint8_t{ICMP6_ECHO_REPLY} : std::uint8_t{ICMP_ECHOREPLY};
}

}  // namespace

std::vector<std::uint8_t> echo_request(const EchoIdentity& identity, std::uint16_t sequence) {
  std::vector<std::uint8_t> packet(kEchoHeader + identity.payload_bytes);
  packet[0] = request_type(identity);
  put_word(packet, 4, identity.identifier);
  put_word(packet, 6, sequence);
  for (std::size_t i = 0; i < identity.payload_bytes; ++i)
    packet[kEchoHeader + i] = payload_byte(identity, i);
  if (!identity.is_ipv6) put_word(packet, 2, internet_checksum(packet));
  return packet;
}

EchoAnswer match_reply(const EchoIdentity& identity, std::span<const std::uint8_t> message) {
  if (message.size() < kEchoHeader || message[0] != reply_type(identity) || message[1] != 0 ||
      word_at(message, 4) != identity.identifier)
    return {};
  return {
      is_payload(identity, message.subspan(kEchoHeader)) ? EchoMatch::ours : EchoMatch::mismatch,
      word_at(message, 6)};
}

EchoAnswer match_sent_copy(const EchoIdentity& identity, std::span<const std::uint8_t> message) {
  const std::size_t length = kEchoHeader + identity.payload_bytes;
  if (message.size() < length) return {};
  const auto echo = message.last(length);  // whatever headers stand before it
  if (echo[0] != request_type(identity) || !is_payload(identity, echo.subspan(kEchoHeader)))
    return {};
  return {EchoMatch::ours, word_at(echo, 6)};
}

EchoAnswer match_quoted(const EchoIdentity& identity, std::span<const std::uint8_t> message) {
  if (message.size() < kEchoHeader || message[0] != request_type(identity) ||
      word_at(message, 4) != identity.identifier)
    return {};
  return {EchoMatch::ours, word_at(message, 6)};
}

std::span<const std::uint8_t> icmp_message(std::span<const std::uint8_t> packet,
                                           bool has_ipv4_header) {
  if (!has_ipv4_header) return packet;
  if (packet.empty()) return {};
  const std::size_t header = std::size_t{packet[0] & 0xFU} * 4;
  return packet.size() < header ? std::span<const std::uint8_t>{} : packet.subspan(header);
}

}  // namespace tl
