#include "probe/echo_packet.hh"

#include <doctest/doctest.h>

namespace tl::probe_echo_packet_test {
namespace {

const EchoIdentity kIdentity{false, 0x1234, 0x0102030405060708, 56};

std::vector<std::uint8_t> reply_to(const EchoIdentity& identity, std::uint16_t sequence) {
  auto message = echo_request(identity, sequence);
  message[0] = identity.is_ipv6 ? 129 : 0;
  return message;
}

}  // namespace

TEST_CASE("an echo request has the checksum of RFC 1071 over all its words") {
  const auto packet = echo_request(kIdentity, 7);
  REQUIRE(packet.size() == 64);
  CHECK(packet[0] == 8);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < packet.size(); i += 2)
    sum += static_cast<std::uint32_t>((packet[i] << 8U) | packet[i + 1]);
  while (sum > 0xFFFF) sum = (sum & 0xFFFFU) + (sum >> 16U);
  CHECK(sum == 0xFFFF);
}

TEST_CASE("a reply is ours only with type, code, identifier and every payload byte") {
  for (const bool is_ipv6 : {false, true}) {
    EchoIdentity identity = kIdentity;
    identity.is_ipv6 = is_ipv6;
    const auto good = reply_to(identity, 513);
    CHECK(match_reply(identity, good).match == EchoMatch::ours);
    CHECK(match_reply(identity, good).sequence == 513);
    for (std::size_t i = 0; i < good.size(); ++i) {
      if (i == 2 || i == 3 || i == 6 || i == 7) continue;  // checksum: the kernel's; sequence
      CAPTURE(i);
      auto wrong = good;
      wrong[i] ^= 0x10U;
      CHECK(match_reply(identity, wrong).match ==
            (i < 6 ? EchoMatch::foreign : EchoMatch::mismatch));
    }
  }
}

TEST_CASE("a reply cut off at any byte is never ours") {
  const auto good = reply_to(kIdentity, 1);
  for (std::size_t length = 0; length < good.size(); ++length)
    CHECK(match_reply(kIdentity, std::span{good}.first(length)).match != EchoMatch::ours);
}

TEST_CASE("a request is recognised behind its link and network headers") {
  auto frame = std::vector<std::uint8_t>(34, 0xEE);
  const auto request = echo_request(kIdentity, 9);
  frame.insert(frame.end(), request.begin(), request.end());
  CHECK(match_sent_copy(kIdentity, frame).sequence == 9);
  CHECK(match_sent_copy(kIdentity, frame).match == EchoMatch::ours);
  frame.back() ^= 1U;
  CHECK(match_sent_copy(kIdentity, frame).match == EchoMatch::foreign);
}

TEST_CASE("the header of a quoted request is enough to know which one it was") {
  const auto request = echo_request(kIdentity, 11);
  const auto quoted = match_quoted(kIdentity, std::span{request}.first(kEchoHeader));
  CHECK(quoted.match == EchoMatch::ours);
  CHECK(quoted.sequence == 11);
  CHECK(match_quoted(kIdentity, std::span{request}.first(7)).match == EchoMatch::foreign);
}

TEST_CASE("an IPv4 header with options is skipped by its own length") {
  std::vector<std::uint8_t> packet(24, 0);
  packet[0] = 0x46;  // six words
  packet.push_back(0xAB);
  const auto message = icmp_message(packet, true);
  REQUIRE(message.size() == 1);
  CHECK(message[0] == 0xAB);
  CHECK(icmp_message(std::span{packet}.first(10), true).empty());
  CHECK(icmp_message({}, true).empty());
}
}  // namespace tl::probe_echo_packet_test
