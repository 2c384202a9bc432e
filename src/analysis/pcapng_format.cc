// pcapng: blocks of type, length, body, length (draft-ietf-opsawg-pcapng). Section headers set the
// byte order; interface descriptions number from 0 in each section; blocks nobody here needs (name
// resolution, secrets, custom, …) are passed over whatever their size.
#include <algorithm>
#include <limits>
#include <utility>

#include "analysis/byte_order.hh"
#include "analysis/capture_reader.hh"
#include "analysis/timestamp.hh"
#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::uint32_t kSection = 0x0A0D0D0A, kInterface = 1, kObsoletePacket = 2,
                        kSimplePacket = 3, kStatistics = 5, kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr std::size_t kBlockOverhead = 12;  // type, length, and the length again
// A described interface costs memory for the rest of the file; no real file has so many.
constexpr std::size_t kMostInterfaces = 65'536;
constexpr std::uint32_t kMostOptionBytes = 1 << 20;
// Names, descriptions and filters of all interfaces together; further ones are passed over.
constexpr std::size_t kMostTextBytes = 1 << 20;

struct Block {
  std::uint32_t type = 0;
  std::uint32_t stated_bytes = 0;      // as the block says
  std::size_t bytes = 0;               // in the file, padded to 32 bits
  std::span<const std::uint8_t> body;  // between the two lengths
};

// Walks the options at the end of a block body; ends quietly where they stop making sense, since
// none of them is needed to find the next block.
template <class Use>
void for_each_option(std::span<const std::uint8_t> options, bool swapped, Use use) {
  while (options.size() >= 4) {
    const auto code = load<std::uint16_t>(options.data(), swapped);
    const std::size_t length = load<std::uint16_t>(options.data() + 2, swapped);
    const std::size_t padded = (length + 3) & ~std::size_t{3};
    if (code == 0 || options.size() - 4 < length) return;
    use(code, options.subspan(4, length));
    options = options.subspan(std::min(4 + padded, options.size()));
  }
}

class PcapngFormat : public RecordFormat {
 public:
  std::size_t fill(ByteWindow& window, std::span<Packet> into, Stop& stop) override {
    std::size_t count = 0;
    while (count < into.size()) {
      Block block;
      const Progress progress = next_block(window, block, count == 0, stop);
      if (progress != Progress::block) break;
      stop.offset = window.offset();
      if (!use_block(block, into[count], count, stop)) {
        if (count == 0) return 0;
        break;
      }
      window.consume(block.bytes);
    }
    return count;
  }

  [[nodiscard]] std::unique_ptr<RecordFormat> part() const override {
    auto part = std::make_unique<PcapngFormat>(*this);
    part->is_part_ = true;
    return part;
  }

  // Blocks say their length at both ends: a few in a row convince.
  [[nodiscard]] std::optional<std::size_t> guess_record(
      std::span<const std::uint8_t> bytes) const override {
    for (std::size_t at = 0; at + kBlockOverhead <= bytes.size(); ++at)
      if (seem_packets(bytes.subspan(at))) return at;
    return std::nullopt;
  }

  // Reads the first section header; false when the stream does not begin with one.
  bool open(ByteWindow& window, std::string& reason) {
    if (load_le<std::uint32_t>(window.data()) != kSection) return false;
    Stop stop;
    Block block;
    Packet unused;
    std::size_t count = 0;
    if (next_block(window, block, true, stop) != Progress::block ||
        !use_block(block, unused, count, stop)) {
      reason = stop.detail.empty() ? "the file ends inside its header" : stop.detail;
    } else {
      window.consume(block.bytes);
      format.byte_order = swapped_ ? "big" : "little";
      read_ahead_to_first_interface(window);
    }
    return true;
  }

 private:
  [[nodiscard]] bool seem_packets(std::span<const std::uint8_t> bytes) const {
    constexpr int kConvincing = 4;
    for (int blocks = 0; blocks < kConvincing; ++blocks) {
      if (bytes.size() < kBlockOverhead ||
          load<std::uint32_t>(bytes.data(), swapped_) != kEnhancedPacket)
        return false;
      const std::size_t stated = load<std::uint32_t>(bytes.data() + 4, swapped_);
      if (stated < kBlockOverhead || stated > largest_block_ || stated % 4 != 0 ||
          stated > bytes.size() ||
          load<std::uint32_t>(bytes.data() + stated - 4, swapped_) != stated)
        return false;
      bytes = bytes.subspan(stated);
    }
    return true;
  }

  enum class Progress { block, wait, over };

  static bool fail(Stop& stop, StopReason reason, std::uint64_t offset, std::string detail) {
    stop.reason = reason;
    stop.offset = offset;
    stop.detail = std::move(detail);
    return false;
  }

  // The visible part must not move while packets of this batch point into it: only with `may_move`
  // are more bytes fetched.
  bool see(ByteWindow& window, std::size_t count, bool may_move, Progress& progress, Stop& stop) {
    if (window.size() >= count) return true;
    progress = Progress::wait;
    if (!may_move) return false;
    if (window.ensure(count)) return true;
    progress = Progress::over;
    if (!window.failure().empty())
      fail(stop, StopReason::unreadable, window.offset(), window.failure());
    else if (window.size() != 0)
      fail(stop, StopReason::cut, window.offset(), "the file ends inside a block");
    else
      stop.offset = window.offset();
    return false;
  }

  Progress next_block(ByteWindow& window, Block& block, bool may_move, Stop& stop) {
    Progress progress = Progress::over;
    for (;;) {
      if (!see(window, kBlockOverhead, may_move, progress, stop)) return progress;
      block.type = load_le<std::uint32_t>(window.data());
      if (block.type == kSection && !set_order(window, may_move, stop)) return Progress::over;
      block.type = load<std::uint32_t>(window.data(), swapped_);
      block.stated_bytes = load<std::uint32_t>(window.data() + 4, swapped_);
      block.bytes = (std::size_t{block.stated_bytes} + 3) & ~std::size_t{3};
      if (!known(block.type) && block.stated_bytes >= kBlockOverhead) {
        if (!pass_over(window, block, may_move, progress, stop)) return progress;
        continue;
      }
      if (!plausible(block, window.offset(), may_move, stop)) return Progress::over;
      if (!see(window, block.bytes, may_move, progress, stop)) return progress;
      const auto again = load<std::uint32_t>(window.data() + block.bytes - 4, swapped_);
      if (again != block.stated_bytes) {
        if (may_move)
          fail(stop, StopReason::damaged, window.offset(),
               "a block's two lengths differ: " + std::to_string(block.stated_bytes) + " and " +
                   std::to_string(again));
        return Progress::over;
      }
      block.body = {window.data() + 8, block.bytes - kBlockOverhead};
      return Progress::block;
    }
  }

  static bool known(std::uint32_t type) {
    return type == kSection || type == kInterface || type == kObsoletePacket ||
           type == kSimplePacket || type == kStatistics || type == kEnhancedPacket;
  }

  bool set_order(const ByteWindow& window, bool may_move, Stop& stop) {
    const auto magic = load_le<std::uint32_t>(window.data() + 8);
    if (magic != kByteOrderMagic && byte_swapped(magic) != kByteOrderMagic) {
      if (may_move)
        fail(stop, StopReason::damaged, window.offset(),
             "a section header without a byte-order magic");
      return false;
    }
    swapped_ = magic != kByteOrderMagic;
    return true;
  }

  bool plausible(const Block& block, std::uint64_t offset, bool may_explain, Stop& stop) const {
    if (block.stated_bytes >= kBlockOverhead && block.stated_bytes <= largest_block_) return true;
    if (may_explain)
      fail(stop, StopReason::damaged, offset,
           "a block claims a length of " + std::to_string(block.stated_bytes) + " bytes");
    return false;
  }

  bool pass_over(ByteWindow& window, const Block& block, bool may_move, Progress& progress,
                 Stop& stop) {
    if (window.size() < block.bytes && !may_move) {
      progress = Progress::wait;
      return false;
    }
    const std::uint64_t offset = window.offset();
    if (window.skip(block.bytes)) return true;
    progress = Progress::over;
    if (!window.failure().empty())
      return fail(stop, StopReason::unreadable, offset, window.failure());
    return fail(stop, StopReason::cut, offset, "the file ends inside a block");
  }

  // False when reading cannot go on after this block; `stop` then has the reason.
  bool use_block(const Block& block, Packet& packet, std::size_t& count, Stop& stop) {
    std::string problem;
    const bool is_packet = block.type == kEnhancedPacket || block.type == kSimplePacket ||
                           block.type == kObsoletePacket;
    if (is_part_ && !is_packet)
      return fail(stop, StopReason::damaged, stop.offset, "a part ends at what is no packet");
    switch (block.type) {
      case kSection:
        problem = begin_section(block.body);
        break;
      case kInterface:
        problem = add_interface(block.body);
        break;
      case kStatistics:
        add_statistics(block.body);
        break;
      case kEnhancedPacket:
        problem = read_enhanced(block.body, packet);
        count += problem.empty() ? 1 : 0;
        break;
      case kSimplePacket:
        problem = read_simple(block.body, packet);
        count += problem.empty() ? 1 : 0;
        break;
      default:
        problem = read_obsolete(block.body, packet);
        count += problem.empty() ? 1 : 0;
        break;
    }
    return problem.empty() || fail(stop, StopReason::damaged, stop.offset, std::move(problem));
  }

  std::string begin_section(std::span<const std::uint8_t> body) {
    if (body.size() < 16) return "a section header that is too short";
    const auto major = load<std::uint16_t>(body.data() + 4, swapped_);
    if (major != 1) return "pcapng version " + std::to_string(major) + " is not known (expected 1)";
    sections_ += 1;
    first_interface_ = interfaces.size();
    return {};
  }

  std::string add_interface(std::span<const std::uint8_t> body) {
    if (body.size() < 8) return "an interface description that is too short";
    if (interfaces.size() == kMostInterfaces) return "more than 65536 interfaces";
    Interface interface;
    interface.link_type = load<std::uint16_t>(body.data(), swapped_);
    interface.snaplen = load<std::uint32_t>(body.data() + 4, swapped_);
    interface.section = sections_ - 1;
    for_each_option(body.subspan(8), swapped_, [&](std::uint16_t code, auto value) {
      set_interface_option(interface, code, value);
    });
    if (interfaces.empty()) format.time_unit = interface.time_unit;
    largest_block_ = std::max(largest_block_, block_limit(interface.link_type));
    interfaces.push_back(std::move(interface));
    return {};
  }

  void set_interface_option(Interface& interface, std::uint16_t code,
                            std::span<const std::uint8_t> value) {
    constexpr std::uint16_t kName = 2, kDescription = 3, kTimeResolution = 9, kFilter = 11,
                            kTimeOffset = 14;
    if (code == kName) interface.name = kept_text(value);
    if (code == kDescription) interface.description = kept_text(value);
    // Its first byte is the kind of filter: 0 is text.
    if (code == kFilter && value.size() > 1 && value[0] == 0)
      interface.filter = kept_text(value.subspan(1));
    if (code == kTimeResolution && value.size() == 1)
      interface.time_unit = {(value[0] & 0x80) != 0, static_cast<std::uint8_t>(value[0] & 0x7F)};
    if (code == kTimeOffset && value.size() == 8)
      interface.time_offset_s =
          static_cast<std::int64_t>(load<std::uint64_t>(value.data(), swapped_));
  }

  std::string kept_text(std::span<const std::uint8_t> value) {
    if (value.size() > kMostTextBytes - text_bytes_) return {};
    text_bytes_ += value.size();
    return {reinterpret_cast<const char*>(value.data()), value.size()};
  }

  void add_statistics(std::span<const std::uint8_t> body) {
    if (body.size() < 12) return;
    const std::size_t index = first_interface_ + load<std::uint32_t>(body.data(), swapped_);
    if (index >= interfaces.size()) return;
    InterfaceStatistics& statistics = interfaces[index].statistics;
    for_each_option(body.subspan(12), swapped_, [&](std::uint16_t code, auto value) {
      if (value.size() != 8) return;
      const auto number = load<std::uint64_t>(value.data(), swapped_);
      constexpr std::uint16_t kReceived = 4, kDropped = 5, kAccepted = 6, kOsDropped = 7,
                              kDelivered = 8;
      if (code == kReceived) statistics.received = number;
      if (code == kDropped) statistics.dropped = number;
      if (code == kAccepted) statistics.filter_accepted = number;
      if (code == kOsDropped) statistics.os_dropped = number;
      if (code == kDelivered) statistics.delivered = number;
    });
  }

  std::string read_enhanced(std::span<const std::uint8_t> body, Packet& packet) {
    constexpr std::size_t kFixed = 20;
    if (body.size() < kFixed) return "a packet block that is too short";
    const std::uint8_t* at = body.data();
    packet.captured_bytes = load<std::uint32_t>(at + 12, swapped_);
    packet.length_bytes = load<std::uint32_t>(at + 16, swapped_);
    packet.data = at + kFixed;
    std::string problem = finish(packet, load<std::uint32_t>(at, swapped_), body.size() - kFixed);
    if (!problem.empty()) return problem;
    set_time(packet, load<std::uint32_t>(at + 4, swapped_), load<std::uint32_t>(at + 8, swapped_));
    const std::size_t used = kFixed + ((std::size_t{packet.captured_bytes} + 3) & ~std::size_t{3});
    if (used < body.size()) read_packet_options(body.subspan(used), packet);
    return {};
  }

  std::string read_obsolete(std::span<const std::uint8_t> body, Packet& packet) {
    constexpr std::size_t kFixed = 20;
    if (body.size() < kFixed) return "a packet block that is too short";
    const std::uint8_t* at = body.data();
    packet.captured_bytes = load<std::uint32_t>(at + 12, swapped_);
    packet.length_bytes = load<std::uint32_t>(at + 16, swapped_);
    packet.data = at + kFixed;
    std::string problem = finish(packet, load<std::uint16_t>(at, swapped_), body.size() - kFixed);
    if (!problem.empty()) return problem;
    set_time(packet, load<std::uint32_t>(at + 4, swapped_), load<std::uint32_t>(at + 8, swapped_));
    return {};
  }

  // No timestamp and no captured length: the snapshot length of the section's first interface says
  // how much of the packet is there.
  std::string read_simple(std::span<const std::uint8_t> body, Packet& packet) {
    if (body.size() < 4) return "a packet block that is too short";
    packet.length_bytes = load<std::uint32_t>(body.data(), swapped_);
    packet.data = body.data() + 4;
    const std::size_t room = body.size() - 4;
    std::uint32_t captured = packet.length_bytes;
    if (first_interface_ < interfaces.size() && interfaces[first_interface_].snaplen != 0)
      captured = std::min(captured, interfaces[first_interface_].snaplen);
    packet.captured_bytes = captured;
    std::string problem = finish(packet, 0, room);
    packet.time_ns = 0;
    packet.flags |= kNoTime;
    return problem;
  }

  // Checks and completes what all packet blocks share.
  std::string finish(Packet& packet, std::uint32_t interface_in_section, std::size_t room) {
    const std::size_t index = first_interface_ + interface_in_section;
    if (index >= interfaces.size())
      return "a packet of interface " + std::to_string(interface_in_section) +
             ", which the section does not describe";
    const Interface& interface = interfaces[index];
    if (packet.captured_bytes > room ||
        packet.captured_bytes > largest_packet_bytes(interface.link_type))
      return "a packet block claims " + std::to_string(packet.captured_bytes) +
             " captured bytes, more than it can hold";
    packet.interface = static_cast<std::uint32_t>(index);
    packet.link_type = static_cast<std::uint16_t>(interface.link_type);
    packet.flags = static_cast<std::uint16_t>(
        (packet.captured_bytes > packet.length_bytes ? kCaplenOverLength : 0) |
        (interface.snaplen != 0 && packet.captured_bytes > interface.snaplen ? kCaplenOverSnaplen
                                                                             : 0));
    return {};
  }

  void set_time(Packet& packet, std::uint32_t high, std::uint32_t low) const {
    const Interface& interface = interfaces[packet.interface];
    const std::uint64_t ticks = std::uint64_t{high} << 32 | low;
    const auto time = time_from_ticks(ticks, interface.time_unit, interface.time_offset_s);
    packet.time_ns = time.value_or(0);
    if (!time) packet.flags |= kNoTime;
  }

  void read_packet_options(std::span<const std::uint8_t> options, Packet& packet) const {
    for_each_option(options, swapped_, [&](std::uint16_t code, auto value) {
      constexpr std::uint16_t kFlags = 2;
      if (code != kFlags || value.size() != 4) return;
      constexpr std::uint32_t kDirectionMask = 3, kIn = 1, kOut = 2;
      const std::uint32_t direction = load<std::uint32_t>(value.data(), swapped_) & kDirectionMask;
      if (direction == kIn) packet.flags |= kInbound;
      if (direction == kOut) packet.flags |= kOutbound;
    });
  }

  static std::uint32_t block_limit(std::uint32_t link_type) {
    return largest_packet_bytes(link_type) + kMostOptionBytes;
  }

  // Interface descriptions usually precede all packets: reading them now lets format() speak of
  // the first one before any packet is asked for.
  void read_ahead_to_first_interface(ByteWindow& window) {
    Stop ignored;
    Block block;
    while (interfaces.empty()) {
      if (window.size() < kBlockOverhead && !window.ensure(kBlockOverhead)) return;
      if (load<std::uint32_t>(window.data(), swapped_) != kInterface) return;
      Packet unused;
      std::size_t count = 0;
      if (next_block(window, block, true, ignored) != Progress::block) return;
      if (!use_block(block, unused, count, ignored)) return;
      window.consume(block.bytes);
    }
  }

  bool is_part_ = false;
  bool swapped_ = false;
  std::uint32_t sections_ = 0;
  std::size_t first_interface_ = 0;  // of the present section
  std::uint32_t largest_block_ = block_limit(1);
  std::size_t text_bytes_ = 0;  // of the texts kept
};

}  // namespace

std::unique_ptr<RecordFormat> open_pcapng(ByteWindow& window, const std::string& name) {
  auto format = std::make_unique<PcapngFormat>();
  std::string reason;
  if (!format->open(window, reason)) return nullptr;
  if (!reason.empty()) throw UsageError{"read " + name + ": " + reason};
  format->format.name = "pcapng";
  return format;
}

}  // namespace tl
