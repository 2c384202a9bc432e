// The flows of a capture: everything IP, by addresses, ports and protocol, both directions
// together. Memory is constant per flow and bounded: when the table is full, a flow that was quiet
// for long is folded into `evicted`, and counted. So at any time, exactly:
//   flows + evicted + not_ip + undecoded = everything seen.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "analysis/decode.hh"
#include "analysis/keyed_hash.hh"
#include "analysis/packet.hh"
#include "analysis/sequence_track.hh"

namespace tl {

// Sums over packets. frame_bytes: as the tap saw them; ip_bytes: IP header and content;
// payload_bytes: behind the transport header.
struct Tally {
  std::uint64_t packets = 0, frame_bytes = 0, ip_bytes = 0, payload_bytes = 0;
  void add(const Packet& packet, const PacketInfo& info) {
    packets += 1;
    frame_bytes += packet.length_bytes;
    ip_bytes += info.ip_bytes;
    payload_bytes += info.payload_bytes;
  }
  Tally& operator+=(const Tally& other);
  friend Tally operator+(Tally left, const Tally& right) { return left += right; }
  bool operator==(const Tally&) const = default;
};

// Times seen; empty() while no packet had one.
struct TimeRange {
  std::int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
  void add(std::int64_t time_ns) {
    if (time_ns < first_ns) [[unlikely]]
      first_ns = time_ns;
    if (time_ns > last_ns) last_ns = time_ns;
  }
  void add(const TimeRange& other);
  [[nodiscard]] bool empty() const { return first_ns > last_ns; }
  // INT64_MAX when it would not fit.
  [[nodiscard]] std::int64_t duration_ns() const;
};

// Addresses, ports and protocol, with the smaller end first, so that both directions are equal.
// Kept as the words that lookups compare: for IPv4 each end is one word.
class FlowKey {
 public:
  struct Endpoint {
    Address16 address;
    std::uint16_t port;
  };
  // Sets from_high when the packet's source is the larger end.
  static FlowKey of(const PacketInfo& info, bool& from_high);
  [[nodiscard]] Endpoint low() const;
  [[nodiscard]] Endpoint high() const;
  [[nodiscard]] std::uint8_t protocol() const { return static_cast<std::uint8_t>(kind_); }
  [[nodiscard]] std::uint8_t ip_version() const { return static_cast<std::uint8_t>(kind_ >> 8); }
  [[nodiscard]] std::uint64_t hash(std::uint64_t seed) const;
  bool operator==(const FlowKey& other) const {
    const std::uint64_t ends = (low_ ^ other.low_) | (high_ ^ other.high_) | (kind_ ^ other.kind_);
    if (is_ipv4() || ends != 0) [[likely]]
      return ends == 0;
    return low_rest_ == other.low_rest_ && high_rest_ == other.high_rest_;
  }

 private:
  [[nodiscard]] bool is_ipv4() const { return ip_version() == 4; }
  [[nodiscard]] Endpoint end(std::uint64_t word, std::uint64_t rest, unsigned port_shift) const;

  // IPv4: address << 16 | port. IPv6: the first half of the address; the second half is the rest.
  std::uint64_t low_ = 0, high_ = 0;
  std::uint64_t kind_ = 0;  // protocol, version << 8; for IPv6 the ports at bits 32 and 48
  std::uint64_t low_rest_ = 0, high_rest_ = 0;
};

inline std::uint64_t FlowKey::hash(std::uint64_t seed) const {
  std::uint64_t state = hash_mix(low_ ^ seed, high_ ^ 0xA0761D6478BD642F ^ kind_);
  if (!is_ipv4()) state ^= hash_mix(low_rest_ ^ 0xE7037ED1A0B428DB ^ kind_, high_rest_ ^ seed);
  return state;
}

struct alignas(64) FlowSide {
  Tally tally;
  TimeRange time;
  SequenceTrack sequence;  // TCP only
};

struct alignas(64) Flow {
  FlowKey key;
  std::uint32_t serial = 0;       // flows are numbered in the order of their first packets
  std::uint32_t connections = 0;  // SYNs with different initial sequence numbers
  std::uint32_t fragments = 0;    // packets that were parts of fragmented datagrams
  std::array<std::uint16_t, 2> maximum_segment_bytes{};  // announced by [side] on SYN; 0: not seen
  bool low_is_client = true;                             // which end of the key is side 0
  std::array<FlowSide, 2> sides;                         // [0] client to server, [1] back

  // The client: the sender of the flow's first packet, unless that packet was a SYN/ACK.
  [[nodiscard]] FlowKey::Endpoint client() const;
  [[nodiscard]] FlowKey::Endpoint server() const;
  [[nodiscard]] TimeRange time() const;
  [[nodiscard]] Tally total() const;
};

inline constexpr std::uint32_t kNoFlow = UINT32_MAX;

// Which flow a packet belongs to and in which direction it went.
struct FlowRef {
  std::uint32_t flow = kNoFlow;  // index for FlowTable::flow(); reused after an eviction
  std::uint8_t side = 0;
};

class FlowTable {
 public:
  static constexpr std::uint32_t kDefaultMostFlows = 262'144;  // 84 MB when full
  static constexpr std::uint32_t kFewestFlows = 256;           // more than a batch can touch

  explicit FlowTable(std::uint32_t most_flows = kDefaultMostFlows);

  // What to look for: everything about finding a flow that does not depend on the table.
  struct Wanted {
    FlowKey key;
    std::uint32_t tag = 0;
    bool is_ip = false;
    bool from_high = false;
  };
  // Sets infos.size() of them. Another thread may do this while this one adds.
  void prepare(std::span<const PacketInfo> infos, Wanted* wanted) const;
  // Finds or makes the flow of each packet and adds the packet to it. The spans are of one length,
  // at most CaptureReader::kBatchPackets. A flow evicted here has no packet in this batch.
  void add(std::span<const Packet> packets, std::span<const PacketInfo> infos,
           std::span<const Wanted> wanted, std::span<FlowRef> refs);

  // A table for a part of the capture, with a limit of its own. It does not know what TCP data came
  // before, so it keeps that data as runs, for join().
  static constexpr std::uint32_t kMostPartFlows = 16'384;
  [[nodiscard]] FlowTable part() const;
  // Empties a part, for the next.
  void clear();
  // Whether the part held all that it was given.
  [[nodiscard]] bool is_whole() const { return evictions_ == 0 && events_.size() <= kMostEvents; }
  // Adds the part that follows what this table has seen, as if its packets had come one by one.
  // Only when can_join().
  [[nodiscard]] bool can_join(const FlowTable& part) const {
    return std::uint64_t{size_} + part.size_ <= most_flows_;
  }
  void join(const FlowTable& part);

  // Called before flow `index` is given up, with its last state.
  void on_evict(std::function<void(std::uint32_t index, const Flow&)> callback) {
    evict_callbacks_.push_back(std::move(callback));
  }

  [[nodiscard]] const Flow& flow(std::uint32_t index) const { return flows_.get()[index]; }
  // Indices 0…size()-1 are present.
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint64_t evictions() const { return evictions_; }
  [[nodiscard]] const Tally& evicted() const { return evicted_; }
  [[nodiscard]] const Tally& not_ip() const { return not_ip_; }
  [[nodiscard]] const Tally& undecoded() const { return undecoded_; }

 private:
  struct Slot {
    std::uint32_t tag = 0;    // hash; its low bits say where the slot wants to be
    std::uint32_t entry = 0;  // (index + 1) * 2 + low_is_client, 0 when free
    [[nodiscard]] std::uint32_t index() const { return (entry >> 1) - 1; }
    [[nodiscard]] bool low_is_client() const { return (entry & 1) != 0; }
  };
  struct Free {
    void operator()(Flow* flows) const;
  };

  // What TCP does beside going on where it was, in a part: a run of data that is over, or a SYN.
  struct Event {
    std::uint32_t flow = 0;
    std::uint8_t side = 0;
    enum : std::uint8_t { data, syn, syn_ack } kind = data;
    std::uint16_t maximum_segment_bytes = 0;
    SequenceTrack::Run run;  // of a SYN only the sequence number
  };
  static constexpr std::size_t kMostEvents = std::size_t{1} << 16;

  static std::unique_ptr<Flow[], Free> allocate(std::size_t count);
  static std::uint32_t likely_flow(const Wanted& wanted, const Slot* slots, std::uint32_t mask,
                                   const Flow* flows);
  std::uint32_t flow_of(const Wanted& wanted, const PacketInfo& info, std::uint32_t likely);
  [[nodiscard]] Slot find(const Wanted& wanted) const;
  void add_to_flow(const Wanted& wanted, const Packet& packet, const PacketInfo& info,
                   FlowRef& ref);
  Slot make(const Wanted& wanted, bool low_is_client);
  std::uint32_t evict();
  void insert_slot(Slot slot);
  void erase_slot(std::uint32_t tag, std::uint32_t index);
  void double_slots();
  static bool extend(FlowSide& side, const PacketInfo& info);
  void add_tcp_events(const FlowRef& ref, const Packet& packet, const PacketInfo& info);
  void take_event(const Event& event);
  void end_run(std::uint32_t index, std::uint8_t side);
  void add_event(const Event& event);
  // Of a flow of a part, in this table.
  struct Joined {
    std::uint32_t index;
    bool is_turned;  // the sides have changed places
    [[nodiscard]] std::uint8_t side(std::size_t of_part) const {
      return static_cast<std::uint8_t>(is_turned ? 1 - of_part : of_part);
    }
  };
  Joined join_flow(const Flow& flow);

  std::uint32_t most_flows_;
  bool is_part_ = false;
  std::vector<Event> events_;  // of a part, in their order
  std::unique_ptr<Flow[], Free> flows_;
  // When each flow was last seen, in batches. Apart from the flows, so that finding one does not
  // make its first cache line dirty.
  std::vector<std::uint32_t> last_batch_;
  std::uint32_t size_ = 0;
  std::vector<Slot> slots_;
  std::uint32_t mask_;
  std::uint32_t batch_ = 0, next_serial_ = 0, eviction_hand_ = 0;
  std::uint64_t seed_;
  std::uint64_t evictions_ = 0;
  Tally evicted_, not_ip_, undecoded_;
  std::vector<std::function<void(std::uint32_t, const Flow&)>> evict_callbacks_;
};

}  // namespace tl
