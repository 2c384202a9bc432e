// A capture over time: packets and bytes in equal intervals, half-open [start, start + interval),
// on edges at whole multiples of the interval since the epoch or since a given origin. Whole
// numbers only; packets out of order go where they belong. Exactly, always:
//   all bins + untimed + over the limit = everything seen.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "analysis/pass.hh"

namespace tl {

// What gets a row of its own. Each packet is in exactly one row of an interval.
enum class SeriesBy : std::uint8_t {
  total,
  direction,  // tx, rx, forward, reverse, other: see TimeSeries
  port,       // the server's port of the packet's flow; "none" without ports
  flow
};

struct SeriesOptions {
  std::chrono::nanoseconds interval{10'000'000};
  std::int64_t origin_ns = 0;
  SeriesBy by = SeriesBy::total;
  // With addresses here, direction is theirs: from one of them tx, to one of them rx.
  std::vector<std::pair<Address16, std::uint8_t>> local;  // address, IP version
  // Memory: about 32 bytes a bin that is not empty. Packets for further bins are only counted.
  std::uint64_t most_bins = std::uint64_t{8} << 20;
};

class TimeSeries : public Observer {
 public:
  // Throws UsageError for an interval of zero or less.
  TimeSeries(SeriesOptions options, const FlowTable& flows);

  [[nodiscard]] Depth depth() const override;
  void on_batch(const Batch& batch) override;
  [[nodiscard]] std::unique_ptr<Observer> part(const FlowTable& flows) const override;
  [[nodiscard]] bool can_join(const Observer& part) const override;
  void join(const Observer& part) override;

  // Every bin that is not empty: by time, then by row in the order of appearance.
  struct Row {
    std::int64_t start_ns;
    std::uint32_t label;  // for label()
    Tally tally;
  };
  [[nodiscard]] std::vector<Row> rows() const;
  // "total"; "tx"; "5201"; "tcp 198.18.0.2:40000 198.18.0.3:5201" (client first).
  [[nodiscard]] const std::string& label(std::uint32_t label) const { return labels_[label]; }
  [[nodiscard]] const Tally& untimed() const { return untimed_; }
  [[nodiscard]] const Tally& over_limit() const { return over_limit_; }
  [[nodiscard]] const SeriesOptions& options() const { return options_; }

 private:
  static constexpr std::int64_t kBinsPerChunk = 32;
  struct Chunk {
    Tally bins[kBinsPerChunk];
  };
  // One line of bins, kept in chunks so that empty hours cost nothing.
  struct Line {
    std::unordered_map<std::int64_t, Chunk> chunks;
    std::int64_t start_ns = 0, end_ns = 0;  // of the bin used last
    Tally* bin = nullptr;
    [[nodiscard]] bool holds(std::int64_t time_ns) const {
      return bin != nullptr && time_ns >= start_ns && time_ns < end_ns;
    }
  };

  std::uint32_t line_of(const Batch& batch, std::size_t i);
  std::uint32_t direction_of(const PacketInfo& info, const FlowRef& ref) const;
  std::uint32_t numbered(std::uint64_t key, std::string (*name)(const Flow&), const Flow* flow);
  Tally* bin_of(const Packet& packet, std::uint32_t line_number);
  Tally* find_bin(Line& line, std::int64_t time_ns);
  [[nodiscard]] bool has_room(std::uint64_t chunks) const {
    return (chunk_count_ + chunks) * kBinsPerChunk <= options_.most_bins;
  }

  SeriesOptions options_;
  const FlowTable& flows_;
  std::vector<Line> lines_;
  std::vector<std::string> labels_;
  std::unordered_map<std::uint64_t, std::uint32_t> numbers_;  // port or flow serial to line
  std::uint64_t chunk_count_ = 0;
  Tally untimed_, over_limit_;
};

// "tcp 198.18.0.2:40000 198.18.0.3:5201", client first; IPv6 addresses in brackets.
std::string flow_label(const Flow& flow);

}  // namespace tl
