#include "analysis/capture_pair.hh"

#include <algorithm>
#include <unordered_set>

namespace tl {
namespace {

// A capture packet by packet, with its decoded headers.
class Cursor {
 public:
  explicit Cursor(const std::string& path) : reader_{CaptureReader::open(path)} { load(); }

  [[nodiscard]] bool at_end() const { return packets_.empty(); }
  [[nodiscard]] const Packet& packet() const { return packets_[at_]; }
  [[nodiscard]] const PacketInfo& info() const { return infos_[at_]; }
  // Of this packet; of the one before it where this one has none.
  [[nodiscard]] std::int64_t time_ns() const { return time_ns_; }
  void next() {
    if (++at_ == packets_.size()) return load();
    take_time();
  }
  [[nodiscard]] const CaptureReader& reader() const { return reader_; }

 private:
  void load() {
    packets_ = reader_.next_batch();
    at_ = 0;
    if (packets_.empty()) return;
    decode(packets_, infos_.data());
    take_time();
  }
  void take_time() {
    if ((packet().flags & kNoTime) == 0) time_ns_ = packet().time_ns;
  }

  CaptureReader reader_;
  std::span<const Packet> packets_;
  std::array<PacketInfo, CaptureReader::kBatchPackets> infos_;
  std::size_t at_ = 0;
  std::int64_t time_ns_ = INT64_MIN;
};

std::uint32_t smallest_snaplen(const std::string& path) {
  Cursor cursor{path};  // pcapng describes its interfaces before their first packets
  std::uint32_t smallest = 0;
  for (const Interface& interface : cursor.reader().interfaces())
    if (interface.snaplen != 0 && (smallest == 0 || interface.snaplen < smallest))
      smallest = interface.snaplen;
  return smallest;
}

std::int64_t first_time_ns(const std::string& path) {
  Cursor cursor{path};
  while (!cursor.at_end() && (cursor.packet().flags & kNoTime) != 0) cursor.next();
  return cursor.at_end() ? INT64_MAX : cursor.time_ns();
}

using Prints = std::unordered_set<std::uint64_t>;

Prints prints_from(const std::string& path, std::int64_t from_ns, const PacketPrinter& printer) {
  constexpr std::size_t kMost = 20'000;
  Prints prints;
  for (Cursor cursor{path}; !cursor.at_end() && prints.size() < kMost; cursor.next())
    if (cursor.time_ns() >= from_ns && cursor.info().content == Content::ip)
      prints.insert(printer.print(cursor.packet(), cursor.info()).whole);
  return prints;
}

}  // namespace

std::uint32_t common_bytes(const PathPair& paths) {
  return common_bytes(smallest_snaplen(paths[0]), smallest_snaplen(paths[1]));
}

bool is_one_exchange(const PathPair& paths) {
  constexpr std::int64_t kSlackNs = 1'000'000'000;
  const std::int64_t first_ns = std::max(first_time_ns(paths[0]), first_time_ns(paths[1]));
  if (first_ns == INT64_MAX) return false;
  const PacketPrinter printer{common_bytes(paths)};
  // From where they begin to overlap; and if their clocks differ by more, from their beginnings.
  const std::int64_t overlap_ns = first_ns < INT64_MIN + kSlackNs ? INT64_MIN : first_ns - kSlackNs;
  for (const std::int64_t from_ns : {overlap_ns, INT64_MIN}) {
    const Prints a = prints_from(paths[0], from_ns, printer);
    const Prints b = prints_from(paths[1], from_ns, printer);
    const auto common = static_cast<std::size_t>(
        std::count_if(a.begin(), a.end(), [&](std::uint64_t print) { return b.contains(print); }));
    if (common != 0 && common * 10 >= std::min(a.size(), b.size())) return true;
  }
  return false;
}

std::array<Stop, 2> compare_exchange(const PathPair& paths, ExchangeDiff& diff) {
  std::array<Cursor, 2> cursors{Cursor{paths[0]}, Cursor{paths[1]}};
  while (!cursors[0].at_end() || !cursors[1].at_end()) {
    const bool second = cursors[0].at_end() ||
                        (!cursors[1].at_end() && cursors[1].time_ns() < cursors[0].time_ns());
    const unsigned capture = second ? 1 : 0;
    Cursor& cursor = cursors[capture];
    diff.add(capture, cursor.packet(), cursor.info());
    cursor.next();
    if (cursor.at_end()) diff.end(capture);
  }
  diff.finish();
  return {cursors[0].reader().stop(), cursors[1].reader().stop()};
}

}  // namespace tl
