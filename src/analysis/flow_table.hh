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

struct alignas(64) FlowSide {
  Tally tally;
  TimeRange time;
  SequenceTrack sequence;  // TCP only
};

// One end of a flow.
struct Endpoint {
  Address16 address;
  std::uint16_t port;
};

struct alignas(64) Flow {
  // From the client, the sender of the flow's first packet, unless that packet was a SYN/ACK, to
  // the server.
  FlowKey key;
  std::uint32_t serial = 0;       // flows are numbered in the order of their first packets
  std::uint32_t connections = 0;  // SYNs with different initial sequence numbers
  std::uint32_t fragments = 0;    // packets that were parts of fragmented datagrams
  std::array<std::uint16_t, 2> maximum_segment_bytes{};  // announced by [side] on SYN; 0: not seen
  // [0] client to server, [1] back; all is [0] where both ends are the same.
  std::array<FlowSide, 2> sides;

  [[nodiscard]] Endpoint client() const { return {key.source, key.source_port}; }
  [[nodiscard]] Endpoint server() const { return {key.destination, key.destination_port}; }
  [[nodiscard]] TimeRange time() const;
  [[nodiscard]] Tally total() const;
};

// Which flow a packet belongs to and in which direction it went.
class FlowRef {
 public:
  FlowRef() = default;
  FlowRef(std::uint32_t flow, unsigned side) : number_{flow * 2 + side} {}
  [[nodiscard]] bool is_known() const { return number_ != kUnknown; }
  // Index for FlowTable::flow(); reused after an eviction.
  [[nodiscard]] std::uint32_t flow() const { return number_ >> 1; }
  [[nodiscard]] std::uint8_t side() const { return static_cast<std::uint8_t>(number_ & 1); }
  bool operator==(const FlowRef&) const = default;

 private:
  static constexpr std::uint32_t kUnknown = UINT32_MAX;
  std::uint32_t number_ = kUnknown;
};

class FlowTable {
 public:
  static constexpr std::uint32_t kDefaultMostFlows = 262'144;  // 110 MB when full
  static constexpr std::uint32_t kFewestFlows = 256;           // more than a batch can touch

  explicit FlowTable(std::uint32_t most_flows = kDefaultMostFlows,
                     std::uint64_t hash_key = random_hash_key());

  // What to look for: everything about finding a flow that does not depend on the table.
  struct Wanted {
    std::uint64_t addresses = 0;  // those of IPv4, a keyed hash of those of IPv6
    std::uint64_t rest = 0;       // ports, protocol and IP version; 0: not IP
    std::uint32_t place = 0;      // a hash of all
  };
  // Sets infos.size() of them. Another thread may do this while this one adds.
  void prepare(std::span<const PacketInfo> infos, Wanted* wanted) const;
  // Finds or makes the flow of each packet and adds the packet to it. The spans are of one length,
  // at most CaptureReader::kBatchPackets. A flow evicted here has no packet in this batch.
  // `all_plain_tcp`: every packet is TCP over IPv4 with all of its header, is no fragment and has a
  // time; so none needs to be asked.
  void add(std::span<const Packet> packets, std::span<const PacketInfo> infos,
           std::span<const Wanted> wanted, std::span<FlowRef> refs, bool all_plain_tcp = false);

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
  // Each flow has two, one a direction, so that a packet's side is found without a look at the
  // flow.
  struct Slot {
    std::uint64_t addresses = 0, rest = kFree;  // as in Wanted
    FlowRef ref;
    std::uint32_t line = 0;  // where the side lies, in cache lines from the first flow
    static constexpr std::uint64_t kFree = UINT64_MAX;
    [[nodiscard]] bool is_free() const { return rest == kFree; }
    [[nodiscard]] bool is(const Wanted& wanted) const {
      return addresses == wanted.addresses && rest == wanted.rest;
    }
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
  // Steps of add(); find() gives an unknown one where there is no such flow.
  [[nodiscard]] static Wanted wanted_of(const FlowKey& key, std::uint64_t seed);
  void find_sides(std::span<const Wanted> wanted, std::span<FlowRef> refs, FlowSide** sides);
  template <bool kAllPlainTcp>
  void add_to_sides(std::span<const Packet> packets, std::span<const PacketInfo> infos,
                    FlowSide* const* sides, std::span<FlowRef> refs);
  FlowSide* side_of_rare(const Packet& packet, const PacketInfo& info, FlowRef& ref);
  [[nodiscard]] bool is_key_of(const FlowKey& key, const FlowRef& ref) const;
  [[nodiscard]] FlowRef find(const FlowKey& key) const;
  FlowRef find_or_make(const PacketInfo& info);
  std::uint32_t make(const FlowKey& key);
  std::uint32_t evict();
  void insert_slot(const Slot& slot);
  void insert_side(const FlowKey& key, const FlowRef& ref);
  void erase_side(const FlowKey& key);
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
  // When each flow was last seen, in batches. Apart from the flows, whose first cache lines are not
  // needed for most packets.
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
