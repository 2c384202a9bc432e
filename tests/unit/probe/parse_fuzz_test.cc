// The counters' port parser against one written from the RFCs alone, with containers and recursion,
// which the kernel's verifier would not take.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "parse.bpf.h"

namespace tl::probe_parse_fuzz_test {
#pragma GCC diagnostic pop

namespace {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

struct Ports {
  std::uint8_t status = TL_UNPARSED;
  std::uint8_t protocol = 0;
  std::uint16_t source = 0, destination = 0;
  bool operator==(const Ports&) const = default;
};

std::uint16_t big_endian(View view, std::size_t at) {
  return static_cast<std::uint16_t>(view[at] << 8 | view[at + 1]);
}

bool is_one_of(int value, std::initializer_list<int> values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

Ports reference_transport(std::uint8_t protocol, View rest) {
  if (!is_one_of(protocol, {6, 17, 33, 132, 136})) return {TL_NO_PORTS, protocol};
  if (rest.size() < 4) return {};
  return {TL_PORTS_FOUND, protocol, big_endian(rest, 0), big_endian(rest, 2)};
}

// RFC 791, section 3.1.
Ports reference_ipv4(View packet) {
  if (packet.size() < 20 || packet[0] / 16 != 4 || packet[0] % 16 < 5) return {};
  const std::uint8_t protocol = packet[9];
  if (big_endian(packet, 6) % 8192 != 0) return {TL_FRAGMENT, protocol};
  const std::size_t header = std::size_t{4} * (packet[0] % 16);
  return reference_transport(protocol, packet.subspan(std::min(header, packet.size())));
}

// RFC 8200, section 4; RFC 4302 for the authentication header. `room`: bytes from here to the end
// of what a parser may look at.
Ports reference_next(std::uint8_t next, View rest, std::size_t room, int headers_left) {
  if (headers_left == 0 || room < 8) return {};
  const bool is_option = is_one_of(next, {0, 43, 60, 135, 139, 140});
  if (!is_option && !is_one_of(next, {44, 51})) return reference_transport(next, rest);
  if (rest.size() < 8) return {};
  if (next == 44 && big_endian(rest, 2) / 8 != 0) return {TL_FRAGMENT, rest[0]};
  const std::size_t size = next == 44   ? 8
                           : next == 51 ? (rest[1] + std::size_t{2}) * 4
                                        : (rest[1] + std::size_t{1}) * 8;
  if (size > room) return {};
  return reference_next(rest[0], rest.subspan(std::min(size, rest.size())), room - size,
                        headers_left - 1);
}

Ports reference(View packet, std::uint16_t ethertype, std::size_t room = TL_HEADER_BYTES,
                int tags_left = 2) {
  if (is_one_of(ethertype, {0x8100, 0x88a8})) {
    if (tags_left == 0 || packet.size() < 4) return {};
    return reference(packet.subspan(4), big_endian(packet, 2), room - 4, tags_left - 1);
  }
  if (ethertype == 0x0800) return reference_ipv4(packet);
  if (ethertype != 0x86dd) return {TL_NO_PORTS, 0};
  if (packet.size() < 40 || packet[0] / 16 != 6) return {};
  return reference_next(packet[6], packet.subspan(40), room - 40, 8);
}

// Packets that are mostly right, so that they lead deep into a parser.
class Generator {
 public:
  Bytes packet(std::uint16_t& ethertype) {
    Bytes out;
    const auto tags = one_in(4) ? below(4) : 0;
    const std::uint16_t inner = pick({0x0800, 0x0800, 0x86dd, 0x86dd, 0x86dd, 0x0806, 0x88b5});
    ethertype = tags == 0 ? inner : tag();
    for (std::uint32_t i = 0; i < tags; ++i) {
      put(out, random_(), 2);
      put(out, i + 1 < tags ? tag() : inner, 2);
    }
    if (inner == 0x0800) ipv4(out);
    if (inner == 0x86dd) ipv6(out);
    for (int i = 0; i < 12; ++i) put(out, random_(), 1);
    if (one_in(8)) out[below(out.size())] ^= static_cast<std::uint8_t>(1 << below(8));
    if (one_in(4)) out.resize(below(out.size() + 1));
    return out;
  }

 private:
  std::uint32_t below(std::size_t end) { return static_cast<std::uint32_t>(random_() % end); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  std::uint16_t pick(std::initializer_list<int> values) {
    return static_cast<std::uint16_t>(values.begin()[below(values.size())]);
  }
  std::uint16_t tag() { return pick({0x8100, 0x88a8}); }
  std::uint8_t transport() {
    return static_cast<std::uint8_t>(one_in(3) ? random_() : pick({6, 17, 33, 132, 136}));
  }
  static void put(Bytes& out, std::uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  void ipv4(Bytes& out) {
    const std::uint32_t words = one_in(8) ? below(16) : 5 + below(11);
    const std::size_t begin = out.size();
    for (std::uint32_t i = 0; i < std::max(words, 5U); ++i) put(out, random_(), 4);
    out[begin] = static_cast<std::uint8_t>(0x40 | words);
    if (!one_in(4)) out[begin + 6] = out[begin + 7] = 0;
    out[begin + 9] = transport();
  }
  void ipv6(Bytes& out) {
    const std::size_t begin = out.size();
    for (int i = 0; i < 10; ++i) put(out, random_(), 4);
    out[begin] = 0x60;
    std::size_t next_at = begin + 6;
    for (std::uint32_t left = below(10); left > 0; --left) {
      const std::uint16_t kind = pick({0, 43, 60, 135, 139, 140, 44, 51});
      out[next_at] = static_cast<std::uint8_t>(kind);
      next_at = out.size();
      const std::uint32_t units = one_in(3) ? below(4) : 0;
      const std::uint32_t size = kind == 51 ? (units + 2) * 4 : kind == 44 ? 8 : (units + 1) * 8;
      for (std::uint32_t i = 0; i < size / 4; ++i) put(out, random_(), 4);
      out[next_at + 1] = static_cast<std::uint8_t>(units);
      if (kind == 44 && !one_in(4)) out[next_at + 2] = out[next_at + 3] = 0;
    }
    out[next_at] = transport();
  }
  std::mt19937 random_{7};
};

}  // namespace

TEST_CASE("T79 a million made-up packets: the same ports as an independent parser finds") {
  Generator generator;
  std::array<std::uint64_t, 4> by_status{};
  for (int i = 0; i < 1'000'000; ++i) {
    std::uint16_t ethertype = 0;
    Bytes packet = generator.packet(ethertype);
    const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(packet.size(), 128));
    const Ports expected = reference(View{packet}.first(length), ethertype);
    packet.resize(TL_HEADER_BYTES);
    const tl_packet_ports got = tl_parse(packet.data(), length, ethertype);
    Ports found{got.status, got.protocol, got.source, got.destination};
    if (found.status == TL_UNPARSED) found.protocol = 0;  // as far as it came
    if (found != expected) {
      CAPTURE(i);
      REQUIRE(found.status == expected.status);
      REQUIRE(found.protocol == expected.protocol);
      REQUIRE(found.source == expected.source);
      REQUIRE(found.destination == expected.destination);
    }
    REQUIRE(found.status < by_status.size());
    ++by_status[found.status];
  }
  for (const std::uint64_t count : by_status) CHECK(count > 50'000);
}

TEST_CASE("T79 a million random headers give what the independent parser says, whatever it is") {
  std::mt19937 random{11};
  std::uint64_t equal = 0;
  Bytes bytes(TL_HEADER_BYTES);
  for (int i = 0; i < 1'000'000; ++i) {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    if (i % 2 == 0)
      bytes[0] = static_cast<std::uint8_t>((i % 4 == 0 ? 0x60 : 0x40) | bytes[0] % 16);
    const auto length = static_cast<std::uint32_t>(random() % (TL_HEADER_BYTES + 1));
    const std::uint16_t ethertype = i % 4 == 0 ? 0x86dd : 0x0800;
    const tl_packet_ports got = tl_parse(bytes.data(), length, ethertype);
    const Ports expected = reference(View{bytes}.first(length), ethertype);
    equal += got.status == expected.status && got.source == expected.source &&
             got.destination == expected.destination;
  }
  CHECK(equal == 1'000'000);
}
}  // namespace tl::probe_parse_fuzz_test
