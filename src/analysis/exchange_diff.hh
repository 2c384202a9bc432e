// Two captures of one exchange, taken at two places of its path: which packets were lost, doubled
// or overtaken between them, how long they took, and how segmentation differs. docs/pcap-rtt.md
// defines each number.
//
// Packets wait for their counterpart in the other capture, at most a window of time and at most so
// many at a time; so memory is bounded. Every packet ends in exactly one place, per direction and
// capture:
//   seen = matched + partly + only + duplicated + before + beyond + given_up   (packets)
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "analysis/distribution.hh"
#include "analysis/flow_table.hh"
#include "analysis/packet_print.hh"

namespace tl {

struct ExchangeOptions {
  // A packet whose counterpart does not show within this time has none. At least the difference of
  // the clocks plus the longest delay.
  std::int64_t window_ns = 10'000'000'000;
  std::uint32_t most_waiting = 1U << 20;  // about 250 bytes each
  // Both captures ran before the first packet was sent and after the last one would have arrived:
  // then nothing is `before` or `beyond`, and what is missing is lost.
  bool is_whole = false;
};

// How packets with TCP payload of one capture lie in the other; wholly matched ones only.
struct Segmentation {
  std::uint64_t same = 0;             // one packet there, of the same bytes
  std::uint64_t split = 0;            // several smaller ones
  std::uint64_t pieces = 0;           // … how many those are
  std::uint64_t joined = 0;           // part of one larger
  std::uint64_t crossed = 0;          // cut elsewhere
  std::uint32_t largest_payload = 0;  // of any packet with payload, bytes
};

// One direction: packets from one address to another. Arrays are by capture: 0 is A, 1 is B.
struct PathDiff {
  Address16 source, destination;
  std::uint8_t ip_version = 0;

  std::array<Tally, 2> seen;
  std::array<Tally, 2> matched;
  std::array<Tally, 2> partly;                   // some of its bytes are in no packet there
  std::array<std::uint64_t, 2> missing_bytes{};  // … those bytes
  std::array<Tally, 2> only;                     // not there, though that capture was running
  std::array<Tally, 2> duplicated;               // a further copy of a packet that is matched
  std::array<Tally, 2> before;                   // due there before its first packet
  std::array<Tally, 2> beyond;                   // due there after its last packet
  std::array<Tally, 2> given_up;                 // for want of memory
  std::array<Segmentation, 2> segmentation;
  // Time from the sight in that capture to the sight in the other. One of the two is nearly empty
  // unless the clocks differ.
  std::array<Distribution, 2> delay;
  // Of the matched packets that were seen there first: seen in the other behind one sent later in
  // the same flow (RFC 4737 2.1), and by how many packets at most.
  std::array<std::uint64_t, 2> reordered{};
  std::array<std::uint64_t, 2> reorder_extent{};

  // The capture that saw this direction first: by most matched packets; A if there are none.
  [[nodiscard]] unsigned upstream() const { return delay[1].count() > delay[0].count() ? 1 : 0; }
  // Seen upstream and not downstream.
  [[nodiscard]] std::uint64_t lost_packets() const;
  [[nodiscard]] std::uint64_t lost_bytes() const;  // payload
};

class ExchangeDiff {
 public:
  static constexpr std::size_t kMostPaths = 4096;  // further address pairs share one row

  ExchangeDiff(const ExchangeOptions& options, const PacketPrinter& printer)
      : options_{options}, printer_{printer} {}

  // Packets of both captures in the order of time.
  void add(unsigned capture, const Packet& packet, const PacketInfo& info);
  // That capture has no more packets.
  void end(unsigned capture) { has_ended_[capture] = true; }
  // Both have ended: judges what still waits.
  void finish();

  // In the order of appearance.
  [[nodiscard]] const std::vector<PathDiff>& paths() const { return paths_; }
  // Packets without addresses to match by, or without a time.
  [[nodiscard]] const std::array<Tally, 2>& uncompared() const { return uncompared_; }
  [[nodiscard]] const std::array<TimeRange, 2>& time() const { return time_; }
  // Address pairs beyond kMostPaths: the last row is theirs together.
  [[nodiscard]] bool has_shared_path() const { return paths_.size() > kMostPaths; }

 private:
  using Id = std::uint32_t;
  struct Waiting {
    PacketPrint print;
    std::int64_t time_ns = 0;
    std::uint64_t order = 0;          // in its flow, capture and direction
    std::int64_t begin = 0, end = 0;  // unwrapped sequence numbers
    std::uint32_t frame_bytes = 0, ip_bytes = 0, payload_bytes = 0;
    std::uint32_t missing = 0;  // payload bytes not matched yet
    std::uint32_t path = 0;
    std::uint32_t generation = 0;  // of the place in memory: tells a later user of it
    std::uint32_t pieces = 0;
    std::uint8_t capture = 0;
    bool is_indexed = false;  // by print.whole: nothing of it is matched
    bool may_be_copy = false;
    bool has_larger = false, is_crossed = false;  // partners
  };
  struct Range {
    std::int64_t end;
    Id id;
  };
  using Ranges = std::multimap<std::int64_t, Range>;  // by begin
  struct FlowState {
    std::array<Ranges, 2> waiting;
    std::array<std::uint64_t, 2> next_order{}, highest_order{};
    std::int64_t sequence = 0;  // the last one seen, unwrapped
    std::int64_t longest = 0;   // packet, in bytes
    bool has_sequence = false;
  };
  struct Expiry {
    std::int64_t time_ns;
    Id id;
    std::uint32_t generation;
  };

  std::uint32_t path_of(const PacketInfo& info, std::uint64_t hash);
  FlowState& flow_of(std::uint64_t hash);
  static std::int64_t unwrap(FlowState& flow, std::uint32_t sequence);
  bool match_whole(Waiting& arrival, FlowState& flow);
  void match_ranges(Waiting& arrival, FlowState& flow);
  Ranges::iterator best_at(Ranges& ranges, const Waiting& arrival, const FlowState& flow,
                           std::int64_t position);
  void consume(Ranges& ranges, Ranges::iterator range, std::int64_t from, std::int64_t to,
               Waiting& arrival, FlowState& flow);
  void note_pair(const Waiting& first, const Waiting& second, FlowState& flow);
  [[nodiscard]] bool is_nearer(const Waiting& candidate, const Waiting* best,
                               const Waiting& arrival) const;
  void settle(const Waiting& packet);
  void wait(Waiting arrival, FlowState& flow);
  void unindex(Waiting& packet, Id id);
  enum class Absence : std::uint8_t { none, before, beyond };
  [[nodiscard]] Absence absence(const Waiting& packet) const;
  void conclude(Id id, bool for_memory);
  void expire(std::int64_t now_ns);
  void remember(std::uint64_t print);

  ExchangeOptions options_;
  const PacketPrinter& printer_;
  std::vector<PathDiff> paths_;
  std::vector<std::array<std::int64_t, 2>> usual_delay_;  // by path and capture of the arrival
  std::vector<std::array<bool, 2>> knows_delay_;
  std::unordered_map<std::uint64_t, std::uint32_t> path_numbers_;
  std::unordered_map<std::uint64_t, FlowState> flows_;
  std::size_t sweep_at_ = 65536;
  std::vector<std::pair<std::int64_t, std::int64_t>> uncovered_;  // of the present arrival
  std::vector<Waiting> pool_;
  std::vector<Id> free_;
  std::array<std::unordered_multimap<std::uint64_t, Id>, 2> by_print_;
  std::deque<Expiry> expiries_;
  std::unordered_map<std::uint64_t, std::uint32_t> matched_prints_;  // the last ones, how often
  std::deque<std::uint64_t> matched_order_;
  std::array<Tally, 2> uncompared_;
  std::array<TimeRange, 2> time_;
  std::array<bool, 2> has_ended_{};
};

}  // namespace tl
