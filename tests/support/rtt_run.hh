// A capture through the RTT rules, with every sample kept.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analysis/rtt.hh"
#include "support/capture_maker.hh"

namespace tl::test {

class RttRun : private RttEventSink {
 public:
  explicit RttRun(std::unique_ptr<ByteSource> source, const RttOptions& options = {},
                  std::uint32_t most_flows = 4096);
  explicit RttRun(const Bytes& capture, const RttOptions& options = {},
                  std::uint32_t most_flows = 4096)
      : RttRun{memory_source(capture), options, most_flows} {}

  // In the order of the capture, in ns: samples of what `end` acknowledged.
  [[nodiscard]] std::vector<std::int64_t> samples(RttEnd end, RttMethod method) const;
  [[nodiscard]] const std::vector<RttEvent>& events() const { return events_; }
  // Of both halves, or one.
  [[nodiscard]] RttCounters counters() const;
  [[nodiscard]] RttCounters counters(RttEnd end) const;
  [[nodiscard]] const RttTable& table() const { return observer_.table(); }
  // Empty when the identities of rtt_half.hh hold for every half and the sums; else which does not.
  [[nodiscard]] std::string broken_identity() const;

 private:
  void on_rtt(const RttEvent& event) override { events_.push_back(event); }

  CaptureReader reader_;
  Pass pass_;
  RttObserver observer_;
  std::vector<RttEvent> events_;
};

}  // namespace tl::test
