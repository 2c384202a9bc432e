// Makes captures for tests, benchmarks and fuzz seeds: frames header by header, files of every
// format byte by byte. What it makes is right unless it is told to be wrong.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tl::test {

using Bytes = std::vector<std::uint8_t>;

Bytes operator+(Bytes left, const Bytes& right);
void append_be(Bytes& to, std::uint64_t value, int bytes);

// Frames, inside out: ethernet(ipv4("198.18.0.1", "198.18.0.2", 6, tcp({.source_port = 1000, …}))).
struct Tcp {
  std::uint16_t source_port = 40000, destination_port = 5201;
  std::uint32_t sequence = 0, acknowledgment = 0;
  std::uint8_t flags = 0x10;
  std::uint16_t window = 65000;
  Bytes options = {};  // padded to 32 bits with zeros
  std::size_t payload_bytes = 0;
};
Bytes tcp(const Tcp& header);
Bytes udp(std::uint16_t source_port, std::uint16_t destination_port, std::size_t payload_bytes);
Bytes ipv4(const std::string& source, const std::string& destination, std::uint8_t protocol,
           const Bytes& inner, std::uint16_t fragment_field = 0x4000);
Bytes ipv6(const std::string& source, const std::string& destination, std::uint8_t protocol,
           const Bytes& inner);
// Adds `tags` 802.1Q tags.
Bytes ethernet(const Bytes& inner, std::uint16_t ether_type = 0x0800, int tags = 0);
Bytes arp();
Bytes option_timestamps(std::uint32_t value, std::uint32_t echo);
Bytes option_mss(std::uint16_t bytes);
// Selective acknowledgments of [first, second).
Bytes option_sack(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& blocks);

struct MadePacket {
  std::int64_t time_ns = 0;
  Bytes bytes;
  std::uint32_t length = 0;  // on the wire; 0: bytes.size()
  std::uint32_t interface = 0;
};

struct PcapOptions {
  bool nanoseconds = true;
  bool big_endian = false;
  bool modified = false;  // Kuznetzov's
  std::uint32_t snaplen = 262144;
  std::uint32_t link_type = 1;
};
Bytes pcap_file(const std::vector<MadePacket>& packets, const PcapOptions& options = {});
Bytes pcap_header(const PcapOptions& options);
Bytes pcap_record(const MadePacket& packet, const PcapOptions& options);

// pcapng, block by block.
class PcapngMaker {
 public:
  explicit PcapngMaker(bool big_endian = false) : big_endian_{big_endian} {}
  struct InterfaceOptions {
    std::uint16_t link_type = 1;
    std::uint32_t snaplen = 262144;
    std::optional<std::uint8_t> time_resolution = {};  // as if_tsresol has it
    std::optional<std::int64_t> time_offset_s = {};
    std::string name = "";
  };
  PcapngMaker& section();
  PcapngMaker& interface(const InterfaceOptions& options);
  // `ticks` in the interface's unit.
  PcapngMaker& enhanced(std::uint32_t interface, std::uint64_t ticks, const Bytes& bytes,
                        std::uint32_t length = 0, const Bytes& options = {});
  PcapngMaker& obsolete(std::uint16_t interface, std::uint64_t ticks, const Bytes& bytes);
  PcapngMaker& simple(const Bytes& bytes, std::uint32_t length = 0);
  PcapngMaker& statistics(std::uint32_t interface, std::uint64_t received, std::uint64_t dropped);
  PcapngMaker& block(std::uint32_t type, Bytes body);
  Bytes option(std::uint16_t code, Bytes value) const;
  void put(Bytes& to, std::uint64_t value, int bytes) const;  // in the section's byte order
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  bool big_endian_;
  Bytes bytes_;
};

// `count` packets of `frame_bytes` each, spread over `flows` TCP connections, `step_ns` apart:
// what benchmarks and identities are measured on. Deterministic.
struct TrafficShape {
  std::uint64_t packets = 1000;
  std::uint32_t frame_bytes = 796;
  std::uint32_t flows = 10;
  std::int64_t start_ns = 1'700'000'000'000'000'000;
  std::int64_t step_ns = 1000;
  std::uint32_t snaplen = 262144;
};
void write_traffic(const std::filesystem::path& path, const TrafficShape& shape);

void write_file(const std::filesystem::path& path, const Bytes& bytes);

}  // namespace tl::test
