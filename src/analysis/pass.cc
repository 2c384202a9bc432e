#include "analysis/pass.hh"

#include <algorithm>
#include <cstddef>

#include "analysis/byte_order.hh"
#include "analysis/decode_ahead.hh"
#include "analysis/parallel_parts.hh"

namespace tl {
namespace {

void add_packets(Digest& sum, std::span<const Packet> packets) {
  const std::uint64_t first = origin_word(packets.front());
  std::int64_t previous = packets.front().time_ns;
  bool steps_back = false;
  std::uint64_t different = 0, frame_bytes = 0, captured_bytes = 0, smallest = UINT32_MAX,
                largest = 0;
#pragma GCC unroll 4
  for (const Packet& packet : packets) {
    const std::uint64_t length = packet.length_bytes;
    frame_bytes += length;
    captured_bytes += packet.captured_bytes;
    smallest = std::min(smallest, length);
    largest = std::max(largest, length);
    different |= origin_word(packet) ^ first;
    steps_back |= packet.time_ns < previous;
    previous = packet.time_ns;
  }
  sum.tally.frame_bytes = frame_bytes;
  sum.captured_bytes = captured_bytes;
  sum.smallest = static_cast<std::uint32_t>(smallest);
  sum.largest = static_cast<std::uint32_t>(largest);
  sum.packet_flags = static_cast<std::uint16_t>((first | different) >> kOriginFlagsShift);
  const auto interfaces = static_cast<std::uint32_t>(different);
  sum.one_interface = interfaces == 0;
  sum.in_order = !steps_back;
  // Packets with more bytes captured than they had are flagged.
  if (sum.captured_bytes == sum.tally.frame_bytes && sum.packet_flags == 0) [[likely]]
    return;
  for (const Packet& packet : packets)
    sum.truncated += packet.captured_bytes < packet.length_bytes ? 1 : 0;
}

// In order and all timed, the ends say everything.
void add_times(Digest& sum, std::span<const Packet> packets) {
  if (sum.in_order && (sum.packet_flags & kNoTime) == 0) [[likely]] {
    sum.time = {packets.front().time_ns, packets.back().time_ns};
    return;
  }
  for (const Packet& packet : packets)
    if ((packet.flags & kNoTime) == 0) sum.time.add(packet.time_ns);
}

void add_infos(Digest& sum, std::span<const PacketInfo> infos) {
  if (infos.empty()) return;
  const std::uint32_t first = kind_word(infos.front());
  std::uint32_t different = 0;
  std::uint64_t ip_bytes = 0, payload_bytes = 0, largest = 0;
#pragma GCC unroll 4
  for (const PacketInfo& info : infos) {
    const std::uint64_t length = info.ip_bytes;
    ip_bytes += length;
    payload_bytes += info.payload_bytes;
    largest = std::max(largest, length);
    different |= kind_word(info) ^ first;
  }
  sum.tally.ip_bytes = ip_bytes;
  sum.tally.payload_bytes = payload_bytes;
  sum.largest_ip_bytes = static_cast<std::uint32_t>(largest);
  constexpr unsigned kFlagsShift = 24;
  sum.info_flags = static_cast<std::uint8_t>((first | different) >> kFlagsShift);
  sum.one_kind = different << 8 == 0;
}

// Whether all packets are as FlowTable::add() knows plain TCP.
bool is_plain_tcp(const Batch& batch) {
  const Digest& sum = batch.digest;
  const PacketInfo& one = batch.infos.front();
  return sum.one_kind && one.content == Content::ip && one.ip_version == 4 &&
         one.protocol == kProtocolTcp && (sum.info_flags & (kFragment | kNoTransport)) == 0 &&
         (sum.packet_flags & kNoTime) == 0;
}

}  // namespace

Digest digest(std::span<const Packet> packets, std::span<const PacketInfo> infos) {
  Digest sum;
  if (packets.empty()) return sum;
  sum.tally.packets = packets.size();
  add_packets(sum, packets);
  add_times(sum, packets);
  add_infos(sum, infos);
  return sum;
}

void Walk::add(Observer& observer) {
  observers_.push_back(&observer);
  depth_ = std::max(depth_, observer.depth());
  flow_table_.on_evict(
      [&observer](std::uint32_t index, const Flow& flow) { observer.on_evict(index, flow); });
}

void Walk::take(std::span<const Packet> packets, std::uint64_t first_index) {
  own_.packets = packets;
  own_.first_index = first_index;
  decode(own_);
  take(own_);
}

void Walk::decode(DecodedBatch& batch) const {
  std::span<const PacketInfo> infos;
  if (depth_ >= Depth::headers) {
    tl::decode(batch.packets, batch.infos.data());
    infos = std::span{batch.infos}.first(batch.packets.size());
  }
  batch.digest = digest(batch.packets, infos);
  if (depth_ >= Depth::flows) flow_table_.prepare(infos, batch.wanted.data());
}

void Walk::take(const DecodedBatch& decoded) {
  const std::size_t count = decoded.packets.size();
  Batch batch{decoded.packets, {}, {}, decoded.first_index, decoded.digest};
  if (depth_ >= Depth::headers) batch.infos = std::span{decoded.infos}.first(count);
  if (depth_ >= Depth::flows) {
    const auto refs = std::span{refs_}.first(count);
    flow_table_.add(batch.packets, batch.infos, std::span{decoded.wanted}.first(count), refs,
                    is_plain_tcp(batch));
    batch.flows = refs;
  }
  for (Observer* observer : observers_) observer->on_batch(batch);
}

std::unique_ptr<Walk> Walk::part() const {
  std::unique_ptr<Walk> part{new Walk{flow_table_.part()}};
  part->restart_part(*this);
  return part->observers_.size() == observers_.size() ? std::move(part) : nullptr;
}

void Walk::restart_part(const Walk& whole) {
  flow_table_.clear();
  observers_.clear();
  owned_.clear();
  depth_ = whole.depth_;
  for (const Observer* observer : whole.observers_) {
    auto part = observer->part(flow_table_);
    if (part == nullptr) return;
    add(*part);
    owned_.push_back(std::move(part));
  }
}

bool Walk::is_whole() const {
  return flow_table_.is_whole() &&
         std::all_of(observers_.begin(), observers_.end(),
                     [](const Observer* observer) { return observer->is_whole(); });
}

bool Walk::join(const Walk& part) {
  if (!flow_table_.can_join(part.flow_table_)) return false;
  for (std::size_t i = 0; i < observers_.size(); ++i)
    if (!observers_[i]->can_join(*part.observers_[i])) return false;
  flow_table_.join(part.flow_table_);
  for (std::size_t i = 0; i < observers_.size(); ++i) observers_[i]->join(*part.observers_[i]);
  return true;
}

const Stop& Pass::run() {
  const bool may_share = reader_.window().share();
  for (auto packets = reader_.next_batch(); !packets.empty(); packets = reader_.next_batch()) {
    walk_.take(packets, reader_.first_index());
    if (!may_share || reader_.stream_bytes() < DecodeAhead::kWorthwhileBytes) continue;
    ParallelParts{reader_, walk_}.run();
    return read_ahead();
  }
  return reader_.stop();
}

const Stop& Pass::read_ahead() {
  const std::uint64_t size = reader_.window().source().size_bytes();
  if (size < reader_.stream_bytes() + DecodeAhead::kWorthwhileBytes) {
    for (auto packets = reader_.next_batch(); !packets.empty(); packets = reader_.next_batch())
      walk_.take(packets, reader_.first_index());
  } else {
    DecodeAhead ahead{reader_, walk_};
    while (const DecodedBatch* batch = ahead.next()) walk_.take(*batch);
  }
  return reader_.stop();
}

}  // namespace tl
