// What a capture file holds, as views: a packet's bytes stay in the reader's buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "analysis/byte_order.hh"

namespace tl {

// Bits of Packet::flags.
enum PacketFlag : std::uint16_t {
  kNoTime = 1,             // no timestamp (SPB), or one that means no moment; time_ns is 0
  kTimeNormalised = 2,     // microseconds of a second >= 1,000,000, carried into the seconds
  kCaplenOverLength = 4,   // more bytes captured than the packet had on the wire: a writer's error
  kCaplenOverSnaplen = 8,  // more bytes captured than the interface's snapshot length allows
  kInbound = 16,           // the capture itself says the packet was received (pcapng epb_flags)
  kOutbound = 32,          // … or sent
};

// One packet. `data` is valid until the reader is asked for its next batch.
struct Packet {
  const std::uint8_t* data = nullptr;
  std::int64_t time_ns = 0;  // since 1970-01-01 UTC, as the capture's clock told it
  std::uint32_t captured_bytes = 0;
  std::uint32_t length_bytes = 0;  // on the wire, or as the tap saw it (GSO unsplit)
  std::uint32_t interface = 0;     // index into CaptureReader::interfaces()
  std::uint16_t link_type = 0;     // LINKTYPE_…
  std::uint16_t flags = 0;
};
static_assert(sizeof(Packet) == 32, "two to a cache line");

// Interface, link type and flags, as they lie there.
inline constexpr unsigned kOriginLinkTypeShift = 32, kOriginFlagsShift = 48;
static_assert(offsetof(Packet, link_type) == offsetof(Packet, interface) + 4 &&
              offsetof(Packet, flags) == offsetof(Packet, interface) + 6);
inline std::uint64_t origin_word(const Packet& packet) {
  return load_le<std::uint64_t>(reinterpret_cast<const std::uint8_t*>(&packet) +
                                offsetof(Packet, interface));
}
inline void set_origin(Packet& packet, std::uint64_t word) {
  store_le(reinterpret_cast<std::uint8_t*>(&packet) + offsetof(Packet, interface), word);
}

// Units of a timestamp: 10^-exponent or 2^-exponent seconds (pcapng if_tsresol).
struct TimeUnit {
  bool is_binary = false;
  std::uint8_t exponent = 6;
};

// pcapng Interface Statistics Block, the last one seen; absent counters are empty.
struct InterfaceStatistics {
  std::optional<std::uint64_t> received, dropped, filter_accepted, os_dropped, delivered;
};

// One capture interface. Classic pcap files have exactly one; pcapng sections number theirs from 0,
// here they are numbered through.
struct Interface {
  std::uint32_t link_type = 0;
  std::uint32_t snaplen = 0;  // 0: no limit
  std::uint32_t section = 0;
  std::string name, description, filter;
  TimeUnit time_unit;
  std::int64_t time_offset_s = 0;
  InterfaceStatistics statistics;
};

// Why a reader stopped.
enum class StopReason : std::uint8_t {
  end,        // at the end, every byte accounted for
  cut,        // the file ends inside a record
  damaged,    // a record that cannot be; what follows cannot be found
  joined,     // another capture file begins where a record should
  unreadable  // the source failed: I/O error, damaged compressed data
};

struct Stop {
  StopReason reason = StopReason::end;
  std::uint64_t offset = 0;        // where: that record, or the end, in the (decompressed) stream
  std::uint64_t packet_index = 0;  // packets read before it
  std::string detail;              // for people; empty at a clean end

  [[nodiscard]] bool clean() const { return reason == StopReason::end; }
};

// "end", "cut", "damaged", "joined", "unreadable".
std::string stop_reason_name(StopReason reason);
// "cut at byte 316 after 2 packets: the file ends inside a record"
std::string stop_text(const Stop& stop);

}  // namespace tl
