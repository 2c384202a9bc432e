#include "support/capture_maker.hh"

#include <arpa/inet.h>

#include <cstring>
#include <fstream>
#include <stdexcept>

namespace tl::test {
namespace {

void append_le(Bytes& to, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void append_address(Bytes& to, int family, const std::string& text) {
  std::uint8_t bytes[16];
  if (::inet_pton(family, text.c_str(), bytes) != 1) throw std::runtime_error{"address " + text};
  to.insert(to.end(), bytes, bytes + (family == AF_INET ? 4 : 16));
}

void put_checksum(Bytes& header, std::size_t at) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < header.size(); i += 2)
    sum += static_cast<std::uint32_t>(header[i] << 8 | header[i + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  header[at] = static_cast<std::uint8_t>(~sum >> 8);
  header[at + 1] = static_cast<std::uint8_t>(~sum);
}

}  // namespace

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

void append_be(Bytes& to, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

Bytes tcp(const Tcp& header) {
  Bytes options = header.options;
  options.resize((options.size() + 3) / 4 * 4);
  Bytes out;
  append_be(out, header.source_port, 2);
  append_be(out, header.destination_port, 2);
  append_be(out, header.sequence, 4);
  append_be(out, header.acknowledgment, 4);
  out.push_back(static_cast<std::uint8_t>((20 + options.size()) / 4 << 4));
  out.push_back(header.flags);
  append_be(out, header.window, 2);
  append_be(out, 0, 4);  // checksum (offloaded, as taps see it) and urgent pointer
  out = out + options;
  out.resize(out.size() + header.payload_bytes, 'x');
  return out;
}

Bytes udp(std::uint16_t source_port, std::uint16_t destination_port, std::size_t payload_bytes) {
  Bytes out;
  append_be(out, source_port, 2);
  append_be(out, destination_port, 2);
  append_be(out, 8 + payload_bytes, 2);
  append_be(out, 0, 2);
  out.resize(out.size() + payload_bytes, 'u');
  return out;
}

Bytes ipv4(const std::string& source, const std::string& destination, std::uint8_t protocol,
           const Bytes& inner, std::uint16_t fragment_field) {
  const std::size_t total = 20 + inner.size();
  Bytes out{0x45, 0};
  append_be(out, total > 0xFFFF ? 0 : total, 2);  // BIG TCP says 0
  append_be(out, 1, 2);
  append_be(out, fragment_field, 2);
  out.push_back(64);
  out.push_back(protocol);
  append_be(out, 0, 2);
  append_address(out, AF_INET, source);
  append_address(out, AF_INET, destination);
  put_checksum(out, 10);
  return out + inner;
}

Bytes ipv6(const std::string& source, const std::string& destination, std::uint8_t protocol,
           const Bytes& inner) {
  Bytes out{0x60, 0, 0, 0};
  append_be(out, inner.size() > 0xFFFF ? 0 : inner.size(), 2);
  out.push_back(protocol);
  out.push_back(64);
  append_address(out, AF_INET6, source);
  append_address(out, AF_INET6, destination);
  return out + inner;
}

Bytes ethernet(const Bytes& inner, std::uint16_t ether_type, int tags) {
  Bytes out{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
  for (int i = 0; i < tags; ++i) {
    append_be(out, i + 1 < tags ? 0x88A8 : 0x8100, 2);
    append_be(out, static_cast<std::uint64_t>(100 + i), 2);
  }
  append_be(out, ether_type, 2);
  return out + inner;
}

Bytes arp() { return ethernet(Bytes(28, 1), 0x0806); }

Bytes option_timestamps(std::uint32_t value, std::uint32_t echo) {
  Bytes out{1, 1, 8, 10};
  append_be(out, value, 4);
  append_be(out, echo, 4);
  return out;
}

Bytes option_mss(std::uint16_t bytes) {
  Bytes out{2, 4};
  append_be(out, bytes, 2);
  return out;
}

Bytes option_sack(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& blocks) {
  Bytes out{1, 1, 5, static_cast<std::uint8_t>(2 + 8 * blocks.size())};
  for (const auto& [begin, end] : blocks) {
    append_be(out, begin, 4);
    append_be(out, end, 4);
  }
  return out;
}

Bytes pcap_header(const PcapOptions& options) {
  const auto put = options.big_endian ? append_be : append_le;
  Bytes out;
  put(out, options.modified ? 0xA1B2CD34 : options.nanoseconds ? 0xA1B23C4D : 0xA1B2C3D4, 4);
  put(out, 2, 2);
  put(out, 4, 2);
  put(out, 0, 8);
  put(out, options.snaplen, 4);
  put(out, options.link_type, 4);
  return out;
}

Bytes pcap_record(const MadePacket& packet, const PcapOptions& options) {
  const auto put = options.big_endian ? append_be : append_le;
  const bool nanoseconds = options.nanoseconds && !options.modified;
  const auto time = static_cast<std::uint64_t>(packet.time_ns);
  Bytes out;
  put(out, time / 1'000'000'000, 4);
  put(out, time % 1'000'000'000 / (nanoseconds ? 1 : 1000), 4);
  put(out, packet.bytes.size(), 4);
  put(out, packet.length == 0 ? packet.bytes.size() : packet.length, 4);
  if (options.modified) put(out, 0, 8);
  return out + packet.bytes;
}

Bytes pcap_file(const std::vector<MadePacket>& packets, const PcapOptions& options) {
  Bytes out = pcap_header(options);
  for (const MadePacket& packet : packets) out = std::move(out) + pcap_record(packet, options);
  return out;
}

void PcapngMaker::put(Bytes& to, std::uint64_t value, int bytes) const {
  big_endian_ ? append_be(to, value, bytes) : append_le(to, value, bytes);
}

Bytes PcapngMaker::option(std::uint16_t code, Bytes value) const {
  Bytes out;
  put(out, code, 2);
  put(out, value.size(), 2);
  value.resize((value.size() + 3) / 4 * 4);
  return out + value;
}

PcapngMaker& PcapngMaker::block(std::uint32_t type, Bytes body) {
  body.resize((body.size() + 3) / 4 * 4);
  put(bytes_, type, 4);
  put(bytes_, body.size() + 12, 4);
  bytes_ = std::move(bytes_) + body;
  put(bytes_, body.size() + 12, 4);
  return *this;
}

PcapngMaker& PcapngMaker::section() {
  Bytes body;
  put(body, 0x1A2B3C4D, 4);
  put(body, 1, 2);
  put(body, 0, 2);
  put(body, ~std::uint64_t{0}, 8);
  return block(0x0A0D0D0A, body);
}

PcapngMaker& PcapngMaker::interface(const InterfaceOptions& options) {
  Bytes body;
  put(body, options.link_type, 2);
  put(body, 0, 2);
  put(body, options.snaplen, 4);
  if (!options.name.empty()) body = body + option(2, {options.name.begin(), options.name.end()});
  if (options.time_resolution) body = body + option(9, {*options.time_resolution});
  if (options.time_offset_s) {
    Bytes value;
    put(value, static_cast<std::uint64_t>(*options.time_offset_s), 8);
    body = body + option(14, value);
  }
  return block(1, body);
}

PcapngMaker& PcapngMaker::enhanced(std::uint32_t interface, std::uint64_t ticks, const Bytes& bytes,
                                   std::uint32_t length, const Bytes& options) {
  Bytes body;
  put(body, interface, 4);
  put(body, ticks >> 32, 4);
  put(body, ticks, 4);
  put(body, bytes.size(), 4);
  put(body, length == 0 ? bytes.size() : length, 4);
  body = body + bytes;
  body.resize((body.size() + 3) / 4 * 4);
  return block(6, body + options);
}

PcapngMaker& PcapngMaker::obsolete(std::uint16_t interface, std::uint64_t ticks,
                                   const Bytes& bytes) {
  Bytes body;
  put(body, interface, 2);
  put(body, 0xFFFF, 2);  // drops unknown
  put(body, ticks >> 32, 4);
  put(body, ticks, 4);
  put(body, bytes.size(), 4);
  put(body, bytes.size(), 4);
  return block(2, body + bytes);
}

PcapngMaker& PcapngMaker::simple(const Bytes& bytes, std::uint32_t length) {
  Bytes body;
  put(body, length == 0 ? bytes.size() : length, 4);
  return block(3, body + bytes);
}

PcapngMaker& PcapngMaker::statistics(std::uint32_t interface, std::uint64_t received,
                                     std::uint64_t dropped) {
  Bytes body, number;
  put(body, interface, 4);
  put(body, 0, 8);
  put(number, received, 8);
  body = body + option(4, number);
  number.clear();
  put(number, dropped, 8);
  return block(5, body + option(5, number));
}

void write_traffic(const std::filesystem::path& path, const TrafficShape& shape) {
  // Large pieces, as our own capture writes them: the page cache keeps them in large folios.
  std::vector<char> buffer(std::size_t{1} << 20);
  std::ofstream file;
  file.rdbuf()->pubsetbuf(buffer.data(), static_cast<std::streamsize>(buffer.size()));
  file.open(path, std::ios::binary);
  PcapOptions options;
  options.snaplen = shape.snaplen;
  const Bytes header = pcap_header(options);
  file.write(reinterpret_cast<const char*>(header.data()),
             static_cast<std::streamsize>(header.size()));
  constexpr std::uint32_t kHeaders = 14 + 20 + 20;
  const std::uint32_t payload = shape.frame_bytes - kHeaders;
  std::vector<std::uint32_t> sent(shape.flows);
  const Bytes frame = ethernet(ipv4("10.0.0.0", "10.255.0.1", 6, tcp({.payload_bytes = payload})));
  Bytes record;
  for (std::uint64_t i = 0; i < shape.packets; ++i) {
    // A multiplier prime to most flow counts: neighbours in the file are not neighbours in memory.
    const auto flow = static_cast<std::uint32_t>(i * 2654435761U % shape.flows);
    record = pcap_record(
        {shape.start_ns + static_cast<std::int64_t>(i) * shape.step_ns,
         Bytes(frame.begin(), frame.begin() + std::min(shape.frame_bytes, shape.snaplen)),
         shape.frame_bytes},
        options);
    std::uint8_t* at = record.data() + 16;
    for (int byte = 0; byte < 3; ++byte)  // 10.x.y.z: up to 2^24 flows
      at[29 - byte] = static_cast<std::uint8_t>(flow >> (8 * byte));
    const std::uint32_t sequence = ::htonl(sent[flow]);
    std::memcpy(at + 38, &sequence, sizeof sequence);
    sent[flow] += payload;
    file.write(reinterpret_cast<const char*>(record.data()),
               static_cast<std::streamsize>(record.size()));
  }
  if (!file.flush()) throw std::runtime_error{"write " + path.string()};
}

void write_file(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream file{path, std::ios::binary};
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error{"write " + path.string()};
}

}  // namespace tl::test
