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
constexpr std::uint32_t kSecondNs = 1'000'000'000;
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
        limit_{header.snaplen == 0 ? largest_ : header.snaplen},
        doubts_{std::min(largest_, limit_), kSecondNs / header.ns_per_fraction - 1} {}

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

  // Whether `bytes` look like several records one behind the other.
  [[nodiscard]] bool seem_records(std::span<const std::uint8_t> bytes) const {
    constexpr int kConvincing = 8;
    constexpr std::int64_t kMostSecondsBetween = 86'400;
    constexpr std::uint32_t kMostWholeBytes = 1 << 24;
    std::int64_t previous_s = -1;
    for (int records = 0; records < kConvincing; ++records) {
      if (bytes.size() < header_.record_bytes) return false;
      const std::uint8_t* const at = bytes.data();
      const Lengths packet = lengths_at(at, header_.order);
      const std::int64_t seconds = load<std::uint32_t>(at, kSwapped);
      if (packet.captured == 0 || packet.captured > packet.whole ||
          packet.captured > doubts_.captured || packet.whole > kMostWholeBytes ||
          load<std::uint32_t>(at + 4, kSwapped) > doubts_.fraction ||
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
    const bool is_usual =
        header_.record_bytes == kRecordBytes && header_.order == LengthOrder::normal;
    return is_usual ? take_records<true>(window, into, needed, stop)
                    : take_records<false>(window, into, needed, stop);
  }

  // kUsual: short record headers, with the captured length first.
  template <bool kUsual>
  std::size_t take_records(ByteWindow& window, std::span<Packet> into, std::size_t& needed,
                           Stop& stop) {
    // Copies, which the writes below cannot change: they are not loaded again for each packet.
    const std::size_t header_bytes = kUsual ? kRecordBytes : header_.record_bytes;
    const std::uint32_t ns_per_fraction = header_.ns_per_fraction;
    const Doubts doubts = doubts_;
    const std::uint64_t usual_origin = std::uint64_t{header_.link_type} << kOriginLinkTypeShift;
    const std::uint8_t* const begin = window.data();
    const std::size_t size = window.size();
    needed = header_bytes;
    if (size < header_bytes) return 0;
    std::size_t offset = 0;
    Packet* packet = into.data();
    Packet* const packets_end = packet + into.size();
    for (; packet != packets_end && offset <= size - header_bytes; ++packet) {
      const std::uint8_t* const at = begin + offset;
      const Lengths lengths = lengths_at(at, kUsual ? LengthOrder::normal : header_.order);
      // Seconds are unsigned: captures stay readable until 2106.
      std::uint64_t seconds = load<std::uint32_t>(at, kSwapped),
                    fraction = load<std::uint32_t>(at + 4, kSwapped);
      std::uint64_t origin = usual_origin;
      if (lengths.captured > doubts.captured || seems_file_header(at) ||
          lengths.whole < lengths.captured || fraction > doubts.fraction) [[unlikely]] {
        if (lengths.captured > largest_ || starts_another_file(at)) {
          needed = 0;
          if (packet == into.data()) explain(at, lengths.captured, window.offset(), stop);
          break;
        }
        const std::uint16_t flags = flags_of(lengths, fraction);
        origin |= std::uint64_t{flags} << kOriginFlagsShift;
        if ((flags & kNoTime) != 0) seconds = fraction = 0;
      }
      const std::size_t next = offset + header_bytes + lengths.captured;
      if (next > size) {
        needed = next - offset;
        break;
      }
      packet->data = at + header_bytes;
      packet->time_ns = static_cast<std::int64_t>(seconds * kSecondNs + fraction * ns_per_fraction);
      packet->captured_bytes = lengths.captured;
      packet->length_bytes = lengths.whole;
      set_origin(*packet, origin);
      // Records lie a packet apart, which no hardware follows when packets are large; neighbours
      // are mostly of one size, so this is where the fourth next one begins.
      __builtin_prefetch(begin + next + 3 * (next - offset));
      offset = next;
    }
    window.consume(offset);
    return static_cast<std::size_t>(packet - into.data());
  }

  // Too many microseconds is a known arithmetic slip of writers, and the sum is what they meant.
  // Too many nanoseconds is not: a file with such a record has the wrong magic or is damaged.
  [[nodiscard]] std::uint16_t flags_of(const Lengths& lengths, std::uint64_t fraction) const {
    std::uint16_t flags = 0;
    if (lengths.captured > lengths.whole) flags |= kCaplenOverLength;
    if (lengths.captured > limit_) flags |= kCaplenOverSnaplen;
    if (fraction > doubts_.fraction)
      flags |= header_.ns_per_fraction == 1 ? kNoTime : kTimeNormalised;
    return flags;
  }

  // True for every file header; for few records.
  [[nodiscard]] static bool seems_file_header(const std::uint8_t* at) {
    // No bits but those of version 2.4 in either byte order.
    constexpr std::uint32_t kVersionBits = 0x0004'0002 | 0x0400'0200;
    return (load_le<std::uint32_t>(at + 4) & ~kVersionBits) == 0;
  }
  // Joined files: a file header where a record should be. The version behind the magic keeps a
  // packet of the second 0xA1B2C3D4 (in 2055) a packet.
  [[nodiscard]] static bool starts_another_file(const std::uint8_t* at) {
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
  // What is more than usual: a record with such values is looked at again.
  struct Doubts {
    std::uint32_t captured, fraction;
  } doubts_;
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
