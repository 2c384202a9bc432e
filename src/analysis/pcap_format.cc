// The classic capture format: one 24-byte header, then records of 16 bytes (24 in the modified
// format) and the packet (draft-ietf-opsawg-pcap).
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "analysis/byte_order.hh"
#include "analysis/capture_reader.hh"
#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::uint32_t kMagicMicro = 0xA1B2C3D4, kMagicNano = 0xA1B23C4D,
                        kMagicModified = 0xA1B2CD34;
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::size_t kFileHeaderBytes = 24, kRecordBytes = 16, kModifiedRecordBytes = 24;

bool is_magic(std::uint32_t word) {
  return word == kMagicMicro || word == kMagicNano || word == kMagicModified;
}
bool is_magic_any_order(std::uint32_t word) {
  return is_magic(word) || is_magic(byte_swapped(word));
}

// Writers before version 2.3 stored the two lengths in the other order, those of 2.3 either way.
enum class LengthOrder { normal, maybe_swapped, swapped };

LengthOrder length_order(std::uint16_t minor) {
  constexpr std::uint16_t kDgUxMinor = 543;
  if (minor < 3 || minor == kDgUxMinor) return LengthOrder::swapped;
  return minor == 3 ? LengthOrder::maybe_swapped : LengthOrder::normal;
}

struct PcapHeader {
  std::size_t record_bytes = kRecordBytes;
  std::uint32_t ns_per_fraction = 1000;  // what one unit of the second timestamp word is worth
  LengthOrder order = LengthOrder::normal;
  std::uint32_t snaplen = 0;
  std::uint16_t link_type = 0;
};

template <bool kSwapped>
class PcapFormat : public RecordFormat {
 public:
  explicit PcapFormat(const PcapHeader& header)
      : header_{header},
        largest_{largest_packet_bytes(header.link_type)},
        limit_{header.snaplen == 0 ? largest_ : header.snaplen} {}

  std::size_t fill(ByteWindow& window, std::span<Packet> into, Stop& stop) override {
    // More than once: first a record's header has to be visible, then what it says that follows.
    for (;;) {
      std::size_t needed = 0;
      const std::size_t count = take(window, into, needed, stop);
      if (count != 0 || needed == 0) return count;
      if (!window.ensure(needed)) break;
    }
    stop.offset = window.offset();
    if (!window.failure().empty()) {
      stop.reason = StopReason::unreadable;
      stop.detail = window.failure();
    } else if (window.size() != 0) {
      stop.reason = StopReason::cut;
      stop.detail = "the file ends inside a record";
    }
    return 0;
  }

  [[nodiscard]] std::unique_ptr<RecordFormat> part() const override {
    return std::make_unique<PcapFormat>(*this);
  }

  std::optional<std::size_t> guess_record(std::span<const std::uint8_t> bytes) const override {
    for (std::size_t at = 0; at + header_.record_bytes <= bytes.size(); ++at)
      if (seem_records(bytes.subspan(at))) return at;
    return std::nullopt;
  }

 private:
  // Whether `bytes` look like several records one behind the other.
  [[nodiscard]] bool seem_records(std::span<const std::uint8_t> bytes) const {
    constexpr int kConvincing = 8;
    constexpr std::int64_t kMostSecondsBetween = 86'400;
    std::int64_t previous_s = -1;
    for (int records = 0; records < kConvincing; ++records) {
      if (bytes.size() < header_.record_bytes) return false;
      const std::uint8_t* const at = bytes.data();
      const Lengths packet = lengths_at(at, header_.order);
      const std::int64_t seconds = load<std::uint32_t>(at, kSwapped);
      if (packet.captured == 0 || packet.captured > packet.whole ||
          packet.captured > std::min(limit_, largest_) ||
          load<std::uint32_t>(at + 4, kSwapped) >= kSecondNs / header_.ns_per_fraction ||
          (previous_s >= 0 && std::abs(seconds - previous_s) > kMostSecondsBetween))
        return false;
      const std::size_t record_bytes = header_.record_bytes + packet.captured;
      if (bytes.size() < record_bytes) return false;
      bytes = bytes.subspan(record_bytes);
      previous_s = seconds;
    }
    return true;
  }

  // Takes whole records out of the window. Without any: `needed` bytes would have to be visible to
  // go on, or `stop` says why nothing can follow.
  std::size_t take(ByteWindow& window, std::span<Packet> into, std::size_t& needed, Stop& stop) {
    // Copies, which the writes below cannot change: they are not loaded again for each packet.
    const PcapHeader header = header_;
    const std::uint32_t largest = largest_, snaplen = limit_;
    needed = header.record_bytes;
    if (window.size() < header.record_bytes) return 0;
    const std::uint8_t* at = window.data();
    const std::uint8_t* const end = at + window.size();
    const std::uint8_t* const last_header = end - header.record_bytes;
    std::size_t count = 0;
    for (; count < into.size() && at <= last_header; ++count) {
      Packet& packet = into[count];
      const Lengths lengths = lengths_at(at, header.order);
      if (lengths.captured > largest || starts_another_file(at)) [[unlikely]] {
        needed = 0;
        if (count == 0) explain(at, lengths.captured, window.offset(), stop);
        break;
      }
      const std::size_t record_bytes = header.record_bytes + lengths.captured;
      if (record_bytes > static_cast<std::size_t>(end - at)) {
        needed = record_bytes;
        break;
      }
      // Seconds are unsigned: captures stay readable until 2106.
      const std::int64_t seconds = load<std::uint32_t>(at, kSwapped);
      const std::int64_t in_second_ns =
          std::int64_t{load<std::uint32_t>(at + 4, kSwapped)} * header.ns_per_fraction;
      packet = {.data = at + header.record_bytes,
                .time_ns = seconds * kSecondNs + in_second_ns,
                .captured_bytes = lengths.captured,
                .length_bytes = lengths.whole,
                .link_type = header.link_type};
      if (lengths.captured > lengths.whole || lengths.captured > snaplen) [[unlikely]]
        note_excess(packet, snaplen);
      if (in_second_ns >= kSecondNs) [[unlikely]]
        doubt_time(packet);
      at += record_bytes;
      // Records lie a packet apart, which no hardware follows when packets are large; neighbours
      // are mostly of one size, so this is where the fourth next one begins.
      __builtin_prefetch(at + 3 * record_bytes);
    }
    window.consume(static_cast<std::size_t>(at - window.data()));
    return count;
  }

  static void note_excess(Packet& packet, std::uint32_t snaplen) {
    if (packet.captured_bytes > packet.length_bytes) packet.flags |= kCaplenOverLength;
    if (packet.captured_bytes > snaplen) packet.flags |= kCaplenOverSnaplen;
  }
  // Too many microseconds is a known arithmetic slip of writers, and the sum is what they meant.
  // Too many nanoseconds is not: a file with such a record has the wrong magic or is damaged.
  void doubt_time(Packet& packet) const {
    if (header_.ns_per_fraction != 1) {
      packet.flags |= kTimeNormalised;
    } else {
      packet.flags |= kNoTime;
      packet.time_ns = 0;
    }
  }

  struct Lengths {
    std::uint32_t captured, whole;
  };
  [[nodiscard]] static Lengths lengths_at(const std::uint8_t* at, LengthOrder order) {
    Lengths lengths{load<std::uint32_t>(at + 8, kSwapped), load<std::uint32_t>(at + 12, kSwapped)};
    if (order == LengthOrder::normal) [[likely]]
      return lengths;
    if (order == LengthOrder::swapped || lengths.captured > lengths.whole)
      std::swap(lengths.captured, lengths.whole);
    return lengths;
  }

  // Joined files: a file header where a record should be. The version behind the magic keeps a
  // packet of the second 0xA1B2C3D4 (in 2055) a packet.
  [[nodiscard]] static bool starts_another_file(const std::uint8_t* at) {
    // No bits but those of version 2.4 in either byte order.
    constexpr std::uint32_t kVersionBits = 0x0004'0002 | 0x0400'0200;
    if ((load_le<std::uint32_t>(at + 4) & ~kVersionBits) != 0) [[likely]]
      return false;
    const auto word = load_le<std::uint32_t>(at);
    if (!is_magic_any_order(word)) return false;
    const bool swapped = !is_magic(word);
    return load<std::uint16_t>(at + 4, swapped) == 2 && load<std::uint16_t>(at + 6, swapped) == 4;
  }

  void explain(const std::uint8_t* at, std::uint32_t captured, std::uint64_t offset,
               Stop& stop) const {
    stop.offset = offset;
    if (starts_another_file(at)) {
      stop.reason = StopReason::joined;
      stop.detail = "another capture file begins here; split the file and read the parts";
      return;
    }
    stop.reason = StopReason::damaged;
    stop.detail = "a record claims " + std::to_string(captured) +
                  " captured bytes, more than the " + std::to_string(largest_) +
                  " a packet can have";
  }

  PcapHeader header_;
  std::uint32_t largest_, limit_;
};

std::unique_ptr<RecordFormat> make_format(bool swapped, const PcapHeader& header) {
  if (swapped) return std::make_unique<PcapFormat<true>>(header);
  return std::make_unique<PcapFormat<false>>(header);
}

}  // namespace

std::unique_ptr<RecordFormat> open_pcap(ByteWindow& window, const std::string& name) {
  const auto magic = load_le<std::uint32_t>(window.data());
  if (!is_magic_any_order(magic)) return nullptr;
  if (!window.ensure(kFileHeaderBytes))
    throw UsageError{"read " + name + ": the file ends inside its header"};
  const bool swapped = !is_magic(magic);
  const std::uint32_t kind = swapped ? byte_swapped(magic) : magic;
  const std::uint8_t* at = window.data();
  const auto major = load<std::uint16_t>(at + 4, swapped);
  constexpr std::uint16_t kMajor = 2, kDgUxMajor = 543;
  if (major != kMajor && major != kDgUxMajor)
    throw UsageError{"read " + name + ": pcap version " + std::to_string(major) +
                     " is not known (expected 2)"};
  PcapHeader header;
  header.record_bytes = kind == kMagicModified ? kModifiedRecordBytes : kRecordBytes;
  header.ns_per_fraction = kind == kMagicNano ? 1 : 1000;
  header.order = length_order(load<std::uint16_t>(at + 6, swapped));
  header.snaplen = load<std::uint32_t>(at + 16, swapped);
  // The upper bits carry the length of the frame check sequence, or are reserved.
  header.link_type = static_cast<std::uint16_t>(load<std::uint32_t>(at + 20, swapped) & 0xFFFF);
  window.consume(kFileHeaderBytes);

  auto format = make_format(swapped, header);
  format->format.name = kind == kMagicModified ? "pcap-modified" : "pcap";
  format->format.byte_order = swapped ? "big" : "little";
  format->format.time_unit = {false, static_cast<std::uint8_t>(kind == kMagicNano ? 9 : 6)};
  Interface interface;
  interface.link_type = header.link_type;
  interface.snaplen = header.snaplen;
  interface.time_unit = format->format.time_unit;
  format->interfaces.push_back(std::move(interface));
  return format;
}

}  // namespace tl
