// Round-trip times of every TCP connection of a capture, or of a live tap: two halves a flow
// (rtt_half.hh), sums over all flows, and bounds on memory whose every effect is counted.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "analysis/pass.hh"
#include "analysis/rtt_half.hh"

namespace tl {

struct RttOptions {
  std::int64_t most_age_ns = RttHalf::kDefaultMostAgeNs;
  // Outstanding segments remembered over all flows, 40 bytes each; UnackedList::kMost a direction.
  std::uint32_t most_segments = 1U << 19;
};

// Which end of a flow the half path leads to: the one that acknowledges.
enum class RttEnd : std::uint8_t { server, client };

// A sample with where it belongs. `flow` is the FlowTable's index.
struct RttEvent {
  RttSample sample;
  std::uint64_t packet_index = 0;  // of the acknowledgment, from 0
  std::uint32_t flow = 0;
  RttEnd end = RttEnd::server;
};
class RttEventSink {
 public:
  virtual ~RttEventSink() = default;
  virtual void on_rtt(const RttEvent& event) = 0;
};

// One TCP connection: [0] is what the client sent, so the half to the server; [1] the other.
struct RttFlow {
  std::array<RttHalf, 2> halves;
  std::int64_t last_ns = 0;
};

class RttTable : private RttSink {
 public:
  explicit RttTable(const RttOptions& options = {}) : options_{options} {}

  // A segment of the flow with this index, from its client (side 0) or its server (1).
  void add(std::uint32_t flow, std::uint8_t side, const TcpSegment& segment,
           std::uint64_t packet_index);
  // The flow's index will be another flow's. Its numbers go into evicted().
  void evict(std::uint32_t flow);
  // Every sample goes there as well, as it comes. Null: nowhere.
  void send_samples_to(RttEventSink* sink) { sink_ = sink; }

  // Null when that flow has no TCP segment.
  [[nodiscard]] const RttFlow* flow(std::uint32_t index) const {
    return index < flows_.size() ? flows_[index].get() : nullptr;
  }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(flows_.size()); }
  [[nodiscard]] std::uint64_t evictions() const { return evictions_; }
  // By RttEnd. Unanswered segments of evicted flows count as forgotten.
  [[nodiscard]] const std::array<RttStatistics, 2>& evicted() const { return evicted_; }
  // Everything: all flows, and evicted.
  [[nodiscard]] std::array<RttStatistics, 2> totals() const;
  [[nodiscard]] std::uint64_t unanswered(RttEnd end) const;

 private:
  void on_sample(const RttSample& sample) override;
  RttFlow& at(std::uint32_t flow);
  void reclaim();

  RttOptions options_;
  std::vector<std::unique_ptr<RttFlow>> flows_;
  std::int64_t kept_ = 0;  // records of all lists
  std::uint32_t hand_ = 0;
  std::uint64_t evictions_ = 0;
  std::array<RttStatistics, 2> evicted_;
  RttEventSink* sink_ = nullptr;
  RttEvent event_;  // what the next sample belongs to
};

// The table fed by a pass over a capture.
class RttObserver : public Observer {
 public:
  explicit RttObserver(const RttOptions& options = {}) : table_{options} {}
  [[nodiscard]] Depth depth() const override { return Depth::flows; }
  void on_batch(const Batch& batch) override;
  void on_evict(std::uint32_t index, const Flow&) override { table_.evict(index); }

  [[nodiscard]] RttTable& table() { return table_; }
  [[nodiscard]] const RttTable& table() const { return table_; }
  // TCP segments that could not be used: without a time, or parts of fragmented datagrams.
  [[nodiscard]] std::uint64_t untimed() const { return untimed_; }
  [[nodiscard]] std::uint64_t fragments() const { return fragments_; }

 private:
  RttTable table_;
  std::uint64_t untimed_ = 0, fragments_ = 0;
};

}  // namespace tl
