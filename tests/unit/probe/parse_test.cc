#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "parse.bpf.h"

namespace tl::probe_parse_test {
#pragma GCC diagnostic pop

namespace {

using Bytes = std::vector<__u8>;

tl_packet_ports parse(Bytes bytes, __u16 ethertype) {
  const auto length = static_cast<__u32>(std::min<std::size_t>(bytes.size(), TL_HEADER_BYTES));
  bytes.resize(TL_HEADER_BYTES);
  return tl_parse(bytes.data(), length, ethertype);
}

// An IPv4 header with `ihl` words, then source port 1000 and destination port 80.
Bytes ipv4(__u8 ihl, __u8 protocol = 6, __u16 fragment = 0) {
  Bytes b(std::size_t{ihl} * 4 + 4);
  b[0] = static_cast<__u8>(0x40 | ihl);
  b[6] = static_cast<__u8>(fragment >> 8);
  b[7] = static_cast<__u8>(fragment);
  b[9] = protocol;
  const Bytes ports{0x03, 0xe8, 0x00, 0x50};
  std::copy(ports.begin(), ports.end(), b.end() - 4);
  return b;
}

Bytes ipv6(const std::vector<Bytes>& extensions, __u8 first, __u8 = 0) {
  Bytes b(40);
  b[0] = 0x60;
  b[6] = first;
  for (const Bytes& e : extensions) b.insert(b.end(), e.begin(), e.end());
  b.insert(b.end(), {0x03, 0xe8, 0x00, 0x50, 0, 0, 0, 0});
  return b;
}

}  // namespace

TEST_CASE("T70 ports behind IPv4 headers of every length") {
  for (__u8 ihl = 5; ihl <= 15; ++ihl) {
    CAPTURE(ihl);
    const auto p = parse(ipv4(ihl), 0x0800);
    CHECK(p.status == TL_PORTS_FOUND);
    CHECK(p.source == 1000);
    CHECK(p.destination == 80);
  }
  CHECK(parse(ipv4(5), 0x0800).protocol == 6);
}

TEST_CASE("T71 ports behind IPv6 extension headers") {
  const Bytes hop_by_hop{60, 0, 0, 0, 0, 0, 0, 0}, destination{43, 0, 0, 0, 0, 0, 0, 0},
      routing{51, 0, 0, 0, 0, 0, 0, 0};
  const Bytes authentication{17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  CHECK(parse(ipv6({}, 6), 0x86dd).destination == 80);
  const auto p = parse(ipv6({hop_by_hop, destination, routing, authentication}, 0), 0x86dd);
  CHECK(p.status == TL_PORTS_FOUND);
  CHECK(p.protocol == 17);
  CHECK(p.source == 1000);
}

TEST_CASE("T72 only the first fragment has ports") {
  CHECK(parse(ipv4(5, 17, 0x2000), 0x0800).status == TL_PORTS_FOUND);
  CHECK(parse(ipv4(5, 17, 0x2010), 0x0800).status == TL_FRAGMENT);
  CHECK(parse(ipv4(5, 17, 0x0010), 0x0800).status == TL_FRAGMENT);
  CHECK(parse(ipv6({{6, 0, 0, 1, 0, 0, 0, 0}}, 44), 0x86dd).status == TL_PORTS_FOUND);
  CHECK(parse(ipv6({{6, 0, 0, 8, 0, 0, 0, 0}}, 44), 0x86dd).status == TL_FRAGMENT);
}

TEST_CASE("T73 truncated and short headers are unparsed, never misread") {
  const Bytes whole = ipv4(5);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK(parse(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)), 0x0800)
              .status == TL_UNPARSED);
  }
  Bytes short_header = ipv4(5);
  short_header[0] = 0x44;
  CHECK(parse(short_header, 0x0800).status == TL_UNPARSED);
}

TEST_CASE("T75 protocols with ports like UDP's, and those without") {
  for (const __u8 protocol : std::initializer_list<__u8>{6, 17, 33, 132, 136})
    CHECK(parse(ipv4(5, protocol), 0x0800).status == TL_PORTS_FOUND);
  for (const __u8 protocol : std::initializer_list<__u8>{1, 50, 47})
    CHECK(parse(ipv4(5, protocol), 0x0800).status == TL_NO_PORTS);
  CHECK(parse({0, 1, 8, 0}, 0x0806).status == TL_NO_PORTS);
}

TEST_CASE("T29 up to two VLAN tags are looked behind") {
  Bytes tagged{0, 5, 0x08, 0x00};
  const Bytes packet = ipv4(5);
  tagged.insert(tagged.end(), packet.begin(), packet.end());
  CHECK(parse(tagged, 0x8100).destination == 80);
  Bytes twice{0, 6, 0x81, 0x00};
  twice.insert(twice.end(), tagged.begin(), tagged.end());
  CHECK(parse(twice, 0x88a8).destination == 80);
}
}  // namespace tl::probe_parse_test
