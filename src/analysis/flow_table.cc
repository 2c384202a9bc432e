#include "analysis/flow_table.hh"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "analysis/capture_reader.hh"
#include "analysis/keyed_hash.hh"

namespace tl {
namespace {

constexpr std::uint32_t kFirstSlots = 4096;

template <class T>
T word_at(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

bool is_syn(const PacketInfo& info) { return (info.tcp_flags & (kSyn | kAck)) == kSyn; }
bool is_syn_ack(const PacketInfo& info) {
  return (info.tcp_flags & (kSyn | kAck)) == (kSyn | kAck);
}

}  // namespace

inline FlowKey FlowKey::of(const PacketInfo& info, bool& from_high) {
  FlowKey key;
  key.kind_ = info.protocol | std::uint64_t{info.ip_version} << 8;
  const std::uint8_t *source = info.source.bytes.data(),
                     *destination = info.destination.bytes.data();
  if (info.ip_version == 4) [[likely]] {
    const std::uint64_t from =
        std::uint64_t{word_at<std::uint32_t>(source)} << 16 | info.source_port;
    const std::uint64_t to =
        std::uint64_t{word_at<std::uint32_t>(destination)} << 16 | info.destination_port;
    // Without a branch, which would go wrong with every other packet of a conversation.
    from_high = from > to;
    key.low_ = from_high ? to : from;
    key.high_ = from ^ to ^ key.low_;
    return key;
  }
  const int order = std::memcmp(source, destination, sizeof info.source);
  from_high = order != 0 ? order > 0 : info.source_port > info.destination_port;
  const std::uint8_t *low = from_high ? destination : source,
                     *high = from_high ? source : destination;
  key.low_ = word_at<std::uint64_t>(low);
  key.low_rest_ = word_at<std::uint64_t>(low + 8);
  key.high_ = word_at<std::uint64_t>(high);
  key.high_rest_ = word_at<std::uint64_t>(high + 8);
  const std::uint64_t low_port = from_high ? info.destination_port : info.source_port;
  const std::uint64_t high_port = from_high ? info.source_port : info.destination_port;
  key.kind_ |= low_port << 32 | high_port << 48;
  return key;
}

FlowKey::Endpoint FlowKey::end(std::uint64_t word, std::uint64_t rest, unsigned port_shift) const {
  Endpoint end{};
  if (is_ipv4()) {
    const auto address = static_cast<std::uint32_t>(word >> 16);
    std::memcpy(end.address.bytes.data(), &address, sizeof address);
    end.port = static_cast<std::uint16_t>(word);
    return end;
  }
  std::memcpy(end.address.bytes.data(), &word, sizeof word);
  std::memcpy(end.address.bytes.data() + sizeof word, &rest, sizeof rest);
  end.port = static_cast<std::uint16_t>(kind_ >> port_shift);
  return end;
}
FlowKey::Endpoint FlowKey::low() const { return end(low_, low_rest_, 32); }
FlowKey::Endpoint FlowKey::high() const { return end(high_, high_rest_, 48); }

Tally& Tally::operator+=(const Tally& other) {
  packets += other.packets;
  frame_bytes += other.frame_bytes;
  ip_bytes += other.ip_bytes;
  payload_bytes += other.payload_bytes;
  return *this;
}

std::int64_t TimeRange::duration_ns() const {
  std::int64_t duration = 0;
  if (empty()) return 0;
  return __builtin_sub_overflow(last_ns, first_ns, &duration) ? INT64_MAX : duration;
}

void TimeRange::add(const TimeRange& other) {
  first_ns = std::min(first_ns, other.first_ns);
  last_ns = std::max(last_ns, other.last_ns);
}

FlowKey::Endpoint Flow::client() const { return low_is_client ? key.low() : key.high(); }
FlowKey::Endpoint Flow::server() const { return low_is_client ? key.high() : key.low(); }
TimeRange Flow::time() const {
  TimeRange range = sides[0].time;
  range.add(sides[1].time);
  return range;
}
Tally Flow::total() const {
  Tally tally = sides[0].tally;
  return tally += sides[1].tally;
}

// Address space for the largest table; pages come with the flows, large ones where the kernel has
// them, since a table of many flows is a random walk through memory.
std::unique_ptr<Flow[], FlowTable::Free> FlowTable::allocate(std::size_t count) {
  constexpr std::size_t kLargePage = std::size_t{2} << 20;
  const std::size_t bytes = (count * sizeof(Flow) + kLargePage - 1) / kLargePage * kLargePage;
  void* const memory = std::aligned_alloc(kLargePage, bytes);
  if (memory == nullptr) throw std::bad_alloc{};
  (void)::madvise(memory, bytes, MADV_HUGEPAGE);  // advice: without it everything still works
  return std::unique_ptr<Flow[], Free>{static_cast<Flow*>(memory)};
}
void FlowTable::Free::operator()(Flow* flows) const { std::free(flows); }

FlowTable::FlowTable(std::uint32_t most_flows)
    : most_flows_{std::max(most_flows, kFewestFlows)},
      flows_{allocate(most_flows_)},
      slots_(kFirstSlots),
      mask_{kFirstSlots - 1},
      seed_{random_hash_key()} {}

void FlowTable::prepare(std::span<const PacketInfo> infos, Wanted* wanted) const {
  for (const PacketInfo& info : infos) {
    Wanted& one = *wanted++;
    one.is_ip = info.content == Content::ip;
    if (!one.is_ip) continue;
    one.key = FlowKey::of(info, one.from_high);
    one.tag = static_cast<std::uint32_t>(one.key.hash(seed_));
  }
}

// Three walks over the batch, so that the cache misses of 64 packets overlap instead of queueing:
// ask for the slots; look at the slots and ask for the flows; add.
void FlowTable::add(std::span<const Packet> packets, std::span<const PacketInfo> infos,
                    std::span<const Wanted> wanted, std::span<FlowRef> refs) {
  ++batch_;
  const Slot* const slots = slots_.data();
  const std::uint32_t mask = mask_;
  for (const Wanted& one : wanted) __builtin_prefetch(&slots[one.tag & mask]);
  const Flow* const flows = flows_.get();
  for (std::size_t i = 0; i < wanted.size(); ++i)
    refs[i].flow = likely_flow(wanted[i], slots, mask, flows);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (wanted[i].is_ip) [[likely]] {
      add_to_flow(wanted[i], packets[i], infos[i], refs[i]);
      continue;
    }
    refs[i] = {};
    (infos[i].content == Content::not_ip ? not_ip_ : undecoded_).add(packets[i], infos[i]);
  }
}

// The flow with this tag, kNoFlow when there is none; the key has not been compared.
inline std::uint32_t FlowTable::likely_flow(const Wanted& wanted, const Slot* slots,
                                            std::uint32_t mask, const Flow* flows) {
  if (!wanted.is_ip) return kNoFlow;
  std::uint32_t at = wanted.tag & mask;
  Slot slot = slots[at];
  while (slot.tag != wanted.tag && slot.entry != 0) slot = slots[at = (at + 1) & mask];
  if (slot.entry == 0) return kNoFlow;
  const Flow& flow = flows[slot.index()];
  __builtin_prefetch(&flow);
  __builtin_prefetch(&flow.sides[wanted.from_high == slot.low_is_client() ? 1 : 0], 1);
  return slot.index();
}

// What likely_flow() said may have changed since: by packets before this one.
inline std::uint32_t FlowTable::flow_of(const Wanted& wanted, const PacketInfo& info,
                                        std::uint32_t likely) {
  if (likely != kNoFlow && flows_.get()[likely].key == wanted.key) [[likely]]
    return likely;
  const Slot slot = find(wanted);
  if (slot.entry != 0) return slot.index();
  // The sender opens, unless it visibly answers.
  return make(wanted, wanted.from_high == (info.is_tcp() && is_syn_ack(info))).index();
}

[[gnu::always_inline]] inline void FlowTable::add_to_flow(const Wanted& wanted,
                                                          const Packet& packet,
                                                          const PacketInfo& info, FlowRef& ref) {
  const std::uint32_t index = flow_of(wanted, info, ref.flow);
  Flow& flow = flows_.get()[index];
  last_batch_[index] = batch_;
  const auto side = static_cast<std::uint8_t>(wanted.from_high == flow.low_is_client);
  ref = {index, side};
  FlowSide& half = flow.sides[side];
  half.tally.add(packet, info);
  if ((packet.flags & kNoTime) == 0) [[likely]]
    half.time.add(packet.time_ns);
  if ((info.flags & kFragment) != 0) [[unlikely]]
    flow.fragments += 1;
  else if (info.is_tcp() && !extend(half, info)) [[unlikely]]
    add_tcp_events(ref, packet, info);
}

// A free slot when there is no such flow.
inline FlowTable::Slot FlowTable::find(const Wanted& wanted) const {
  for (std::uint32_t at = wanted.tag & mask_;; at = (at + 1) & mask_) {
    const Slot slot = slots_[at];
    if (slot.entry == 0 || (slot.tag == wanted.tag && flows_.get()[slot.index()].key == wanted.key))
      return slot;
  }
}

FlowTable::Slot FlowTable::make(const Wanted& wanted, bool low_is_client) {
  const std::uint32_t index = size_ < most_flows_ ? size_++ : evict();
  if (index == last_batch_.size()) last_batch_.push_back(batch_);
  Flow& flow = *new (&flows_.get()[index]) Flow{};
  flow.key = wanted.key;
  flow.serial = next_serial_++;
  flow.low_is_client = low_is_client;
  const Slot slot{wanted.tag, (index + 1) * 2 + (flow.low_is_client ? 1 : 0)};
  insert_slot(slot);
  if (std::uint64_t{size_} * 2 > slots_.size()) double_slots();
  return slot;
}

// The quietest of a few flows in turn: nearly the least recently used, without a list to maintain
// for every packet.
std::uint32_t FlowTable::evict() {
  constexpr int kLooks = 8;
  std::uint32_t victim = kNoFlow;
  for (int looks = 0; looks < kLooks || victim == kNoFlow; ++looks) {
    const std::uint32_t index = eviction_hand_;
    eviction_hand_ = (eviction_hand_ + 1) % most_flows_;
    const std::uint32_t age = batch_ - last_batch_[index];
    if (age == 0) continue;  // packets of this batch refer to it
    if (victim == kNoFlow || age > batch_ - last_batch_[victim]) victim = index;
  }
  const Flow& flow = flows_.get()[victim];
  for (const auto& callback : evict_callbacks_) callback(victim, flow);
  evicted_ += flow.total();
  evictions_ += 1;
  erase_slot(static_cast<std::uint32_t>(flow.key.hash(seed_)), victim);
  return victim;
}

void FlowTable::insert_slot(Slot slot) {
  std::uint32_t at = slot.tag & mask_;
  while (slots_[at].entry != 0) at = (at + 1) & mask_;
  slots_[at] = slot;
}

// Closes the hole by moving back what had to move on because of the erased slot.
void FlowTable::erase_slot(std::uint32_t tag, std::uint32_t index) {
  std::uint32_t hole = tag & mask_;
  while (slots_[hole].entry >> 1 != index + 1) hole = (hole + 1) & mask_;
  for (std::uint32_t at = (hole + 1) & mask_; slots_[at].entry != 0; at = (at + 1) & mask_) {
    const std::uint32_t displacement = (at - (slots_[at].tag & mask_)) & mask_;
    if (displacement < ((at - hole) & mask_)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
}

void FlowTable::double_slots() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  mask_ = static_cast<std::uint32_t>(slots_.size() - 1);
  for (const Slot& slot : old)
    if (slot.entry != 0) insert_slot(slot);
}

// Data that goes on where the flow was, or none. False: something that add_tcp_events() is for.
inline bool FlowTable::extend(FlowSide& side, const PacketInfo& info) {
  if ((info.tcp_flags & kSyn) != 0) return false;
  return info.payload_bytes == 0 || side.sequence.extend(info.sequence, info.payload_bytes);
}

void FlowTable::add_tcp_events(const FlowRef& ref, const Packet& packet, const PacketInfo& info) {
  SequenceTrack& track = flows_.get()[ref.flow].sides[ref.side].sequence;
  Event event{ref.flow, ref.side, Event::data, 0, {info.sequence, info.payload_bytes}};
  if ((info.tcp_flags & kSyn) != 0) {
    event.kind = is_syn(info) ? Event::syn : Event::syn_ack;
    event.maximum_segment_bytes = tcp_options(packet, info).maximum_segment_bytes.value_or(0);
    add_event(event);
    event.kind = Event::data;
    event.run.sequence += 1;
  }
  if (info.payload_bytes != 0 && !track.extend(event.run.sequence, info.payload_bytes))
    add_event(event);
}

void FlowTable::take_event(const Event& event) {
  Flow& flow = flows_.get()[event.flow];
  SequenceTrack& track = flow.sides[event.side].sequence;
  if (event.kind == Event::data) return track.on_run(event.run);
  const bool is_another = track.on_syn(event.run.sequence);
  if (event.kind == Event::syn && (is_another || flow.connections == 0)) flow.connections += 1;
  flow.maximum_segment_bytes[event.side] = event.maximum_segment_bytes;
}

}  // namespace tl
