// Writes the first inputs of the fuzzers: make_fuzz_seeds FOLDER makes FOLDER/capture,
// FOLDER/decode and FOLDER/rtt.
#include <cstdio>
#include <exception>
#include <filesystem>

#include "support/capture_maker.hh"

namespace {

using namespace tl::test;

std::vector<Bytes> frames() {
  const Bytes segment = tcp({.sequence = 100,
                             .flags = 0x12,
                             .options = option_mss(1460) + option_timestamps(1, 2),
                             .payload_bytes = 20});
  const Bytes v4 = ipv4("10.0.0.1", "10.0.0.2", 6, segment);
  const Bytes v6 = ipv6("fe80::1", "fe80::2", 0, Bytes{6, 0, 1, 4, 0, 0, 0, 0} + segment);
  return {ethernet(v4),
          ethernet(v6, 0x86DD, 2),
          ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(53, 1, 9), 0x2000)),
          arp(),
          Bytes{2, 0, 0, 0} + v4,
          Bytes{0xFF, 3, 0, 0x21} + v4,
          v6,
          Bytes{0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0} + v4,
          Bytes{0x86, 0xDD, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0} + v6};
}

void write_captures(const std::filesystem::path& folder) {
  std::vector<MadePacket> packets;
  PcapngMaker little, big{true};
  for (PcapngMaker* maker : {&little, &big})
    maker->section()
        .interface({.time_resolution = std::uint8_t{9}, .name = "eth0"})
        .interface({.time_resolution = std::uint8_t{0x94}, .time_offset_s = 5});
  for (const Bytes& frame : frames()) {
    const auto index = static_cast<std::int64_t>(packets.size());
    packets.push_back({1'700'000'000'000'000'000 + index * 5'000'000, frame});
    for (PcapngMaker* maker : {&little, &big})
      maker->enhanced(0, 1000, frame).simple(frame).obsolete(1, 7, frame).statistics(0, 1, 0);
  }
  write_file(folder / "little.pcapng", little.bytes());
  write_file(folder / "big.pcapng", big.bytes());
  for (const bool big_endian : {false, true})
    for (const bool modified : {false, true}) {
      PcapOptions options;
      options.big_endian = big_endian;
      options.modified = modified;
      write_file(folder / ("classic" + std::to_string(big_endian) + std::to_string(modified)),
                 pcap_file(packets, options));
    }
}

void write_packets(const std::filesystem::path& folder) {
  const std::vector<std::uint16_t> link_types{1, 1, 1, 1, 0, 9, 101, 113, 276};
  const auto list = frames();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto length = static_cast<std::uint8_t>(list[i].size());
    Bytes head{static_cast<std::uint8_t>(link_types[i]),
               static_cast<std::uint8_t>(link_types[i] >> 8),
               length,
               0,
               0,
               0};
    write_file(folder / ("packet" + std::to_string(i)), std::move(head) + list[i]);
  }
}

// Records as fuzz_rtt.cc reads them: data, its ACK, a retransmission, a selective ACK.
void write_segments(const std::filesystem::path& folder) {
  constexpr std::uint8_t kAckFlag = 0x10, kSynFlag = 2;
  Bytes bytes;
  const auto record = [&](std::uint8_t side, std::uint8_t sequence, std::uint8_t acknowledgment,
                          std::uint8_t payload, std::uint8_t flags, std::uint8_t sack) {
    Bytes one{sequence, 0, acknowledgment, 0, payload, 0, 1, flags, 1, 0, 1, 0, sack, 9, 0, 0};
    one = std::move(one) + Bytes{0, side, 0, 0, 16, 0, 0, 0};
    one.resize(24);
    bytes = std::move(bytes) + one;
  };
  record(0, 0, 0, 0, kSynFlag, 0);
  record(1, 0, 1, 0, kSynFlag | kAckFlag, 0);
  record(0, 1, 1, 10, kAckFlag, 0);
  record(0, 11, 1, 10, kAckFlag, 0);
  record(1, 1, 11, 0, kAckFlag, 1);
  record(0, 11, 1, 10, kAckFlag, 0);
  record(1, 1, 21, 0, kAckFlag, 0);
  write_file(folder / "exchange", bytes);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fputs("usage: make_fuzz_seeds FOLDER\n", stderr);
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder / "capture");
  std::filesystem::create_directories(folder / "decode");
  std::filesystem::create_directories(folder / "rtt");
  write_captures(folder / "capture");
  write_packets(folder / "decode");
  write_segments(folder / "rtt");
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "make_fuzz_seeds: %s\n", e.what());
  return 2;
}
