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
  bool operator==(const Tally&) const = default;
};

// Times seen; empty() while no packet had one.
struct TimeRange {
  std::int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
  void add(std::int64_t time_ns) {
    first_ns = time_ns < first_ns ? time_ns : first_ns;
    last_ns = time_ns > last_ns ? time_ns : last_ns;
  }
  void add(const TimeRange& other);
  [[nodiscard]] bool empty() const { return first_ns > last_ns; }
  [[nodiscard]] std::int64_t duration_ns() const { return empty() ? 0 : last_ns - first_ns; }
};

// Addresses, ports and protocol, with the smaller end first, so that both directions are equal.
struct FlowKey {
  Address16 low_address, high_address;
  std::uint16_t low_port = 0, high_port = 0;
  std::uint8_t protocol = 0, ip_version = 0;
  std::uint16_t unused = 0;
};
static_assert(sizeof(FlowKey) == 40, "compared as five words");

struct alignas(64) FlowSide {
  Tally tally;
  TimeRange time;
  SequenceTrack sequence;  // TCP only
};

struct alignas(64) Flow {
  FlowKey key;
  std::uint32_t serial = 0;       // flows are numbered in the order of their first packets
  std::uint32_t last_batch = 0;   // when it was last seen, in batches
  std::uint32_t connections = 0;  // SYNs with different initial sequence numbers
  std::uint32_t fragments = 0;    // packets that were parts of fragmented datagrams
  std::array<std::uint16_t, 2> maximum_segment_bytes{};  // announced by [side] on SYN; 0: not seen
  bool low_is_client = true;                             // which end of the key is side 0
  std::array<FlowSide, 2> sides;                         // [0] client to server, [1] back

  // The client: the sender of the flow's first packet, unless that packet was a SYN/ACK.
  struct Endpoint {
    Address16 address;
    std::uint16_t port;
  };
  [[nodiscard]] Endpoint client() const;
  [[nodiscard]] Endpoint server() const;
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

  // Finds or makes the flow of each packet and adds the packet to it. `refs` has as many elements
  // as `packets` and `infos`, at most CaptureReader::kBatchPackets. A flow evicted here has no
  // packet in this batch.
  void add(std::span<const Packet> packets, std::span<const PacketInfo> infos,
           std::span<FlowRef> refs);

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
    std::uint32_t entry = 0;  // index + 1, 0 when free
  };
  struct Wanted {
    FlowKey key;
    std::uint32_t tag = 0;
    bool is_ip = false;
    bool from_high = false;
  };
  struct Free {
    void operator()(Flow* flows) const;
  };

  void prepare(std::span<const PacketInfo> infos);
  void prefetch_flows(std::size_t count) const;
  std::uint32_t find_or_make(const Wanted& wanted, const PacketInfo& info);
  std::uint32_t make(const Wanted& wanted, const PacketInfo& info);
  std::uint32_t evict();
  void insert_slot(Slot slot);
  void erase_slot(std::uint32_t tag, std::uint32_t entry);
  void double_slots();
  void add_tcp(Flow& flow, std::uint8_t side, const Packet& packet, const PacketInfo& info);
  [[nodiscard]] std::uint32_t hash(const FlowKey& key) const;

  std::uint32_t most_flows_;
  std::unique_ptr<Flow[], Free> flows_;
  std::uint32_t size_ = 0;
  std::vector<Slot> slots_;
  std::uint32_t mask_;
  std::vector<Wanted> wanted_;
  std::uint32_t batch_ = 0, next_serial_ = 0, eviction_hand_ = 0;
  std::uint64_t seed_;
  std::uint64_t evictions_ = 0;
  Tally evicted_, not_ip_, undecoded_;
  std::vector<std::function<void(std::uint32_t, const Flow&)>> evict_callbacks_;
};

}  // namespace tl
