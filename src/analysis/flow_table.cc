#include "analysis/flow_table.hh"

#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "analysis/capture_reader.hh"

namespace tl {
namespace {

constexpr std::uint32_t kFirstSlots = 4096;

std::uint64_t load64(const void* at) {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Folded product of 128 bits (wyhash): every bit of the input reaches every bit of the output.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

bool same(const FlowKey& a, const FlowKey& b) {
  std::uint64_t difference = 0;
  for (std::size_t word = 0; word < sizeof(FlowKey) / 8; ++word)
    difference |= load64(reinterpret_cast<const char*>(&a) + word * 8) ^
                  load64(reinterpret_cast<const char*>(&b) + word * 8);
  return difference == 0;
}

// Captures come from outside: without a secret, chosen addresses could make every lookup slow.
std::uint64_t random_seed() {
  std::uint64_t seed = 0x9E3779B97F4A7C15;
  (void)::getrandom(&seed, sizeof seed, GRND_NONBLOCK);
  return seed;
}

// True when the packet's source is the larger end.
bool source_is_high(const PacketInfo& info) {
  if (info.ip_version == 4) [[likely]] {
    std::uint32_t source, destination;
    std::memcpy(&source, info.source.bytes.data(), 4);
    std::memcpy(&destination, info.destination.bytes.data(), 4);
    return (std::uint64_t{source} << 16 | info.source_port) >
           (std::uint64_t{destination} << 16 | info.destination_port);
  }
  const int order = std::memcmp(&info.source, &info.destination, sizeof info.source);
  return order != 0 ? order > 0 : info.source_port > info.destination_port;
}

FlowKey key_of(const PacketInfo& info, bool from_high) {
  FlowKey key;
  key.low_address = from_high ? info.destination : info.source;
  key.high_address = from_high ? info.source : info.destination;
  key.low_port = from_high ? info.destination_port : info.source_port;
  key.high_port = from_high ? info.source_port : info.destination_port;
  key.protocol = info.protocol;
  key.ip_version = info.ip_version;
  return key;
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

void TimeRange::add(const TimeRange& other) {
  first_ns = std::min(first_ns, other.first_ns);
  last_ns = std::max(last_ns, other.last_ns);
}

Flow::Endpoint Flow::client() const {
  return low_is_client ? Endpoint{key.low_address, key.low_port}
                       : Endpoint{key.high_address, key.high_port};
}
Flow::Endpoint Flow::server() const {
  return low_is_client ? Endpoint{key.high_address, key.high_port}
                       : Endpoint{key.low_address, key.low_port};
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

// Address space for the largest table; pages come with the flows.
void FlowTable::Free::operator()(Flow* flows) const { std::free(flows); }

FlowTable::FlowTable(std::uint32_t most_flows)
    : most_flows_{std::max(most_flows, kFewestFlows)},
      flows_{static_cast<Flow*>(std::aligned_alloc(alignof(Flow), most_flows_ * sizeof(Flow)))},
      slots_(kFirstSlots),
      mask_{kFirstSlots - 1},
      wanted_(CaptureReader::kBatchPackets),
      seed_{random_seed()} {
  if (flows_ == nullptr) throw std::bad_alloc{};
}

std::uint32_t FlowTable::hash(const FlowKey& key) const {
  const std::uint64_t low = load64(&key.low_address), high = load64(&key.high_address);
  const std::uint64_t ports = load64(&key.low_port);
  std::uint64_t state = mix(low ^ seed_, high ^ 0xA0761D6478BD642F) ^ ports;
  if (key.ip_version == 6)
    state ^= mix(load64(&key.low_address.bytes[8]) ^ 0xE7037ED1A0B428DB,
                 load64(&key.high_address.bytes[8]) ^ seed_);
  return static_cast<std::uint32_t>(mix(state ^ 0x8EBC6AF09C88C6E3, seed_ ^ 0x589965CC75374CC3));
}

// Three walks over the batch, so that the cache misses of 64 packets overlap instead of queueing:
// hash and ask for the slots; look at the slots and ask for the flows; add.
void FlowTable::add(std::span<const Packet> packets, std::span<const PacketInfo> infos,
                    std::span<FlowRef> refs) {
  ++batch_;
  prepare(infos);
  prefetch_flows(packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const PacketInfo& info = infos[i];
    const Wanted& wanted = wanted_[i];
    if (!wanted.is_ip) [[unlikely]] {
      refs[i] = {};
      (info.content == Content::not_ip ? not_ip_ : undecoded_).add(packets[i], info);
      continue;
    }
    const std::uint32_t index = find_or_make(wanted, info);
    Flow& flow = flows_.get()[index];
    flow.last_batch = batch_;
    const auto side = static_cast<std::uint8_t>(wanted.from_high == flow.low_is_client);
    refs[i] = {index, side};
    FlowSide& half = flow.sides[side];
    half.tally.add(packets[i], info);
    if ((packets[i].flags & kNoTime) == 0) [[likely]]
      half.time.add(packets[i].time_ns);
    if ((info.flags & kFragment) != 0) [[unlikely]]
      flow.fragments += 1;
    else if (info.is_tcp())
      add_tcp(flow, side, packets[i], info);
  }
}

void FlowTable::prepare(std::span<const PacketInfo> infos) {
  for (std::size_t i = 0; i < infos.size(); ++i) {
    Wanted& wanted = wanted_[i];
    wanted.is_ip = infos[i].content == Content::ip;
    if (!wanted.is_ip) continue;
    wanted.from_high = source_is_high(infos[i]);
    wanted.key = key_of(infos[i], wanted.from_high);
    wanted.tag = hash(wanted.key);
    __builtin_prefetch(&slots_[wanted.tag & mask_]);
  }
}

void FlowTable::prefetch_flows(std::size_t count) const {
  for (std::size_t i = 0; i < count; ++i) {
    if (!wanted_[i].is_ip) continue;
    const Slot slot = slots_[wanted_[i].tag & mask_];
    if (slot.entry == 0) continue;
    const Flow& flow = flows_.get()[slot.entry - 1];
    __builtin_prefetch(&flow);
    __builtin_prefetch(&flow.sides[0]);
    __builtin_prefetch(&flow.sides[1]);
  }
}

std::uint32_t FlowTable::find_or_make(const Wanted& wanted, const PacketInfo& info) {
  for (std::uint32_t at = wanted.tag & mask_;; at = (at + 1) & mask_) {
    const Slot slot = slots_[at];
    if (slot.entry == 0) return make(wanted, info);
    if (slot.tag == wanted.tag && same(flows_.get()[slot.entry - 1].key, wanted.key))
      return slot.entry - 1;
  }
}

std::uint32_t FlowTable::make(const Wanted& wanted, const PacketInfo& info) {
  const std::uint32_t index = size_ < most_flows_ ? size_++ : evict();
  Flow& flow = *new (&flows_.get()[index]) Flow{};
  flow.key = wanted.key;
  flow.serial = next_serial_++;
  // The sender opens, unless it visibly answers.
  const bool sender_is_client = !(info.is_tcp() && is_syn_ack(info));
  flow.low_is_client = wanted.from_high != sender_is_client;
  insert_slot({wanted.tag, index + 1});
  if (std::uint64_t{size_} * 2 > slots_.size()) double_slots();
  return index;
}

// The quietest of a few flows in turn: nearly the least recently used, without a list to maintain
// for every packet.
std::uint32_t FlowTable::evict() {
  constexpr int kLooks = 8;
  std::uint32_t victim = kNoFlow;
  for (int looks = 0; looks < kLooks || victim == kNoFlow; ++looks) {
    const std::uint32_t index = eviction_hand_;
    eviction_hand_ = (eviction_hand_ + 1) % most_flows_;
    const std::uint32_t age = batch_ - flows_.get()[index].last_batch;
    if (age == 0) continue;  // packets of this batch refer to it
    if (victim == kNoFlow || age > batch_ - flows_.get()[victim].last_batch) victim = index;
  }
  const Flow& flow = flows_.get()[victim];
  for (const auto& callback : evict_callbacks_) callback(victim, flow);
  evicted_ += flow.total();
  evictions_ += 1;
  erase_slot(hash(flow.key), victim + 1);
  return victim;
}

void FlowTable::insert_slot(Slot slot) {
  std::uint32_t at = slot.tag & mask_;
  while (slots_[at].entry != 0) at = (at + 1) & mask_;
  slots_[at] = slot;
}

// Closes the hole by moving back what had to move on because of the erased slot.
void FlowTable::erase_slot(std::uint32_t tag, std::uint32_t entry) {
  std::uint32_t hole = tag & mask_;
  while (slots_[hole].entry != entry) hole = (hole + 1) & mask_;
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

void FlowTable::add_tcp(Flow& flow, std::uint8_t side, const Packet& packet,
                        const PacketInfo& info) {
  SequenceTrack& track = flow.sides[side].sequence;
  std::uint32_t sequence = info.sequence;
  if ((info.tcp_flags & kSyn) != 0) [[unlikely]] {
    const bool is_another = track.on_syn(sequence);
    if (is_syn(info) && (is_another || flow.connections == 0)) flow.connections += 1;
    sequence += 1;
    const TcpOptions options = tcp_options(packet, info);
    flow.maximum_segment_bytes[side] = options.maximum_segment_bytes.value_or(0);
  }
  if (info.payload_bytes != 0) track.on_data(sequence, info.payload_bytes);
}

}  // namespace tl
