#include "analysis/flow_table.hh"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>
#include <utility>

#include "analysis/byte_order.hh"
#include "analysis/capture_reader.hh"
#include "analysis/keyed_hash.hh"

namespace tl {
namespace {

constexpr std::uint32_t kFirstSlots = 4096;
constexpr std::size_t kLineBytes = 64;  // all sides begin on one
static_assert(alignof(FlowSide) == kLineBytes);

// Whether adding the packet takes more than its slot and its side.
bool is_rare(const PacketInfo& info) {
  constexpr std::uint32_t kOnlyInVersion6 = 2 << 8;
  return (kind_word(info) & (kOnlyInVersion6 | std::uint32_t{kFragment} << 24)) != 0;
}

// TCP with all of its header, not a fragment.
bool is_whole_tcp(const PacketInfo& info) {
  constexpr std::uint32_t kTcpOfIp = kProtocolTcp | static_cast<std::uint32_t>(Content::ip) << 16,
                          kMask = 0xFF00FF | std::uint32_t{kFragment | kNoTransport} << 24;
  return (kind_word(info) & kMask) == kTcpOfIp;
}

bool is_syn(const PacketInfo& info) { return (info.tcp_flags & (kSyn | kAck)) == kSyn; }
bool is_syn_ack(const PacketInfo& info) {
  return (info.tcp_flags & (kSyn | kAck)) == (kSyn | kAck);
}

}  // namespace

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
// them and the table may grow, since many flows are a random walk through memory.
std::unique_ptr<Flow[], FlowTable::Free> FlowTable::allocate(std::size_t count) {
  constexpr std::size_t kLargePage = std::size_t{2} << 20, kWorthwhileBytes = 4 * kLargePage;
  const std::size_t bytes = (count * sizeof(Flow) + kLargePage - 1) / kLargePage * kLargePage;
  void* const memory = std::aligned_alloc(kLargePage, bytes);
  if (memory == nullptr) throw std::bad_alloc{};
  // Advice: without it everything still works.
  if (bytes >= kWorthwhileBytes) (void)::madvise(memory, bytes, MADV_HUGEPAGE);
  return std::unique_ptr<Flow[], Free>{static_cast<Flow*>(memory)};
}
void FlowTable::Free::operator()(Flow* flows) const { std::free(flows); }

FlowTable::FlowTable(std::uint32_t most_flows, std::uint64_t hash_key)
    : most_flows_{std::max(most_flows, kFewestFlows)},
      flows_{allocate(most_flows_)},
      slots_(kFirstSlots),
      mask_{kFirstSlots - 1},
      seed_{hash_key} {}

namespace {

std::uint32_t place_of(std::uint64_t addresses, std::uint64_t rest, std::uint64_t seed) {
  constexpr std::uint64_t kOtherBits = 0xA0761D6478BD642F;
  return static_cast<std::uint32_t>(hash_mix(addresses ^ seed, rest ^ kOtherBits));
}

std::uint64_t ipv6_addresses(const FlowKey& key, std::uint64_t seed) {
  const auto source = key.source.words(), destination = key.destination.words();
  return hash_mix(source[0] ^ seed, source[1]) ^ hash_mix(destination[0], destination[1] ^ seed);
}

}  // namespace

inline FlowTable::Wanted FlowTable::wanted_of(const FlowKey& key, std::uint64_t seed) {
  Wanted wanted;
  wanted.rest = ports_word(key) | std::uint64_t{protocol_word(key)} << 32;
  wanted.addresses = load_le<std::uint32_t>(key.source.bytes.data()) |
                     std::uint64_t{load_le<std::uint32_t>(key.destination.bytes.data())} << 32;
  if (key.ip_version == 6) [[unlikely]]
    wanted.addresses = ipv6_addresses(key, seed);
  wanted.place = place_of(wanted.addresses, wanted.rest, seed);
  return wanted;
}

void FlowTable::prepare(std::span<const PacketInfo> infos, Wanted* wanted) const {
  const std::uint64_t seed = seed_;
#pragma GCC unroll 4
  for (const PacketInfo& info : infos) *wanted++ = wanted_of(info, seed);
}

// Three walks over the batch, so that the cache misses of 64 packets overlap instead of queueing:
// ask for the slots; look at the slots and ask for the sides; add.
void FlowTable::add(std::span<const Packet> packets, std::span<const PacketInfo> infos,
                    std::span<const Wanted> wanted, std::span<FlowRef> refs, bool all_plain_tcp) {
  ++batch_;
  std::array<FlowSide*, CaptureReader::kBatchPackets> sides;
  find_sides(wanted, refs, sides.data());
  if (all_plain_tcp)
    add_to_sides<true>(packets, infos, sides.data(), refs);
  else
    add_to_sides<false>(packets, infos, sides.data(), refs);
}

template <bool kAllPlainTcp>
inline void FlowTable::add_to_sides(std::span<const Packet> packets,
                                    std::span<const PacketInfo> infos, FlowSide* const* sides,
                                    std::span<FlowRef> refs) {
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const PacketInfo& info = infos[i];
    FlowSide* side = sides[i];
    if (side == nullptr || (!kAllPlainTcp && is_rare(info))) [[unlikely]] {
      side = side_of_rare(packets[i], info, refs[i]);
      if (side == nullptr) continue;
    }
    side->tally.add(packets[i], info);
    if (kAllPlainTcp || (packets[i].flags & kNoTime) == 0) [[likely]]
      side->time.add(packets[i].time_ns);
    if ((kAllPlainTcp || is_whole_tcp(info)) && !extend(*side, info)) [[unlikely]]
      add_tcp_events(refs[i], packets[i], info);
  }
}

// Of each packet the side that it seems to belong to, null when there is none. For IPv6 the
// addresses are still to be compared.
inline void FlowTable::find_sides(std::span<const Wanted> wanted, std::span<FlowRef> refs,
                                  FlowSide** sides) {
  const Slot* const slots = slots_.data();
  const std::uint32_t mask = mask_, batch = batch_;
  std::uint32_t* const last_batch = last_batch_.data();
  char* const flows = reinterpret_cast<char*>(flows_.get());
#pragma GCC unroll 4
  for (const Wanted& one : wanted) __builtin_prefetch(&slots[one.place & mask]);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Wanted& one = wanted[i];
    std::size_t at = one.place & mask;
    while (!slots[at].is(one) && !slots[at].is_free()) at = (at + 1) & mask;
    const FlowRef ref = slots[at].ref;
    const std::size_t line = slots[at].line;
    refs[i] = ref;
    if (!ref.is_known()) [[unlikely]] {
      sides[i] = nullptr;
      continue;
    }
    last_batch[ref.flow()] = batch;  // so that no packet of this batch evicts it
    auto* const side = reinterpret_cast<FlowSide*>(flows + line * kLineBytes);
    sides[i] = side;
    __builtin_prefetch(side, 1);
  }
}

// Where a packet belongs that needs more than a look at its slot: the first of its flow, one of
// IPv6, a fragment. Null when it is not IP; then it is counted.
FlowSide* FlowTable::side_of_rare(const Packet& packet, const PacketInfo& info, FlowRef& ref) {
  if (info.content != Content::ip) {
    (info.content == Content::not_ip ? not_ip_ : undecoded_).add(packet, info);
    return nullptr;
  }
  if (!ref.is_known() || !is_key_of(info, ref)) ref = find_or_make(info);
  Flow& flow = flows_.get()[ref.flow()];
  if ((info.flags & kFragment) != 0) flow.fragments += 1;
  return &flow.sides[ref.side()];
}

bool FlowTable::is_key_of(const FlowKey& key, const FlowRef& ref) const {
  const FlowKey& to_server = flow(ref.flow()).key;
  return ref.side() == 0 ? key == to_server : key.is_reverse_of(to_server);
}

FlowRef FlowTable::find(const FlowKey& key) const {
  const Wanted wanted = wanted_of(key, seed_);
  for (std::uint32_t at = wanted.place & mask_;; at = (at + 1) & mask_) {
    const Slot& slot = slots_[at];
    if (slot.is_free() || (slot.is(wanted) && is_key_of(key, slot.ref))) return slot.ref;
  }
}

FlowRef FlowTable::find_or_make(const PacketInfo& info) {
  const FlowRef ref = find(info);
  if (ref.is_known()) {
    last_batch_[ref.flow()] = batch_;
    return ref;
  }
  // The sender opens, unless it visibly answers.
  const bool is_answer = info.is_tcp() && is_syn_ack(info) && !info.is_reverse_of(info);
  const FlowKey& key = info;
  return {make(is_answer ? key.reversed() : key), is_answer ? 1U : 0U};
}

std::uint32_t FlowTable::make(const FlowKey& key) {
  const std::uint32_t index = size_ < most_flows_ ? size_++ : evict();
  if (index == last_batch_.size()) last_batch_.push_back(batch_);
  last_batch_[index] = batch_;
  Flow& flow = *new (&flows_.get()[index]) Flow{};
  flow.key = key;
  flow.serial = next_serial_++;
  insert_side(key, {index, 0});
  if (!key.is_reverse_of(key)) insert_side(key.reversed(), {index, 1});
  if (std::uint64_t{size_} * 4 > slots_.size()) double_slots();
  return index;
}

// The quietest of a few flows in turn: nearly the least recently used, without a list to maintain
// for every packet.
std::uint32_t FlowTable::evict() {
  constexpr int kLooks = 8;
  constexpr std::uint32_t kNone = UINT32_MAX;
  std::uint32_t victim = kNone;
  for (int looks = 0; looks < kLooks || victim == kNone; ++looks) {
    const std::uint32_t index = eviction_hand_;
    eviction_hand_ = (eviction_hand_ + 1) % most_flows_;
    const std::uint32_t age = batch_ - last_batch_[index];
    if (age == 0) continue;  // packets of this batch refer to it
    if (victim == kNone || age > batch_ - last_batch_[victim]) victim = index;
  }
  const Flow& flow = flows_.get()[victim];
  for (const auto& callback : evict_callbacks_) callback(victim, flow);
  evicted_ += flow.total();
  evictions_ += 1;
  erase_side(flow.key);
  if (!flow.key.is_reverse_of(flow.key)) erase_side(flow.key.reversed());
  return victim;
}

void FlowTable::insert_side(const FlowKey& key, const FlowRef& ref) {
  const Wanted wanted = wanted_of(key, seed_);
  const auto* const begin = reinterpret_cast<const char*>(flows_.get());
  const auto* const side = reinterpret_cast<const char*>(&flow(ref.flow()).sides[ref.side()]);
  const auto line = static_cast<std::uint32_t>(static_cast<std::size_t>(side - begin) / kLineBytes);
  insert_slot({wanted.addresses, wanted.rest, ref, line});
}

void FlowTable::insert_slot(const Slot& slot) {
  std::uint32_t at = place_of(slot.addresses, slot.rest, seed_) & mask_;
  while (!slots_[at].is_free()) at = (at + 1) & mask_;
  slots_[at] = slot;
}

// Closes the hole by moving back what had to move on because of the erased slot.
void FlowTable::erase_side(const FlowKey& key) {
  const FlowRef ref = find(key);
  std::uint32_t hole = wanted_of(key, seed_).place & mask_;
  while (slots_[hole].ref != ref) hole = (hole + 1) & mask_;
  for (std::uint32_t at = (hole + 1) & mask_; !slots_[at].is_free(); at = (at + 1) & mask_) {
    const std::uint32_t place = place_of(slots_[at].addresses, slots_[at].rest, seed_);
    const std::uint32_t displacement = (at - place) & mask_;
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
    if (!slot.is_free()) insert_slot(slot);
}

// Data that goes on where the flow was, or none. False: something that add_tcp_events() is for.
inline bool FlowTable::extend(FlowSide& side, const PacketInfo& info) {
  if ((info.tcp_flags & kSyn) != 0) return false;
  return side.sequence.extend(info.sequence, info.payload_bytes) || info.payload_bytes == 0;
}

void FlowTable::add_tcp_events(const FlowRef& ref, const Packet& packet, const PacketInfo& info) {
  SequenceTrack& track = flows_.get()[ref.flow()].sides[ref.side()].sequence;
  Event event{ref.flow(), ref.side(), Event::data, 0, {info.sequence, info.payload_bytes}};
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
