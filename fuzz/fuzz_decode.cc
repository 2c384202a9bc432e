// One packet: two bytes of link type, four of length on the wire, the rest are its captured bytes.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "analysis/decode.hh"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHead = 6;
  if (size < kHead) return 0;
  // A copy of exactly the captured bytes, so that one byte too far is seen.
  const std::vector<std::uint8_t> bytes(data + kHead, data + size);
  tl::Packet packet;
  packet.data = bytes.data();
  packet.captured_bytes = static_cast<std::uint32_t>(bytes.size());
  std::memcpy(&packet.link_type, data, sizeof packet.link_type);
  std::memcpy(&packet.length_bytes, data + 2, sizeof packet.length_bytes);
  tl::PacketInfo info;
  tl::decode(packet, info);
  if (info.content != tl::Content::ip && info.ip_bytes != 0) std::abort();
  if (info.payload_bytes > info.ip_bytes) std::abort();
  if (info.is_tcp()) {
    const tl::TcpOptions options = tl::tcp_options(packet, info);
    if (options.sack_count > options.sack.size()) std::abort();
  }
  return 0;
}
