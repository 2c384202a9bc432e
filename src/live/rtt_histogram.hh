// Round-trip times of TCP as a Prometheus histogram per pair of addresses, with a bound on how many
// pairs there can be: an address scan must not fill the server.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "analysis/flow_table.hh"
#include "analysis/rtt.hh"
#include "live/registry.hh"

namespace tl::live {

struct RttHistogramOptions {
  std::string name = "trafficlab_tcp_rtt_seconds";
  std::size_t most_pairs = 200;
  // Source and destination are those of the acknowledgment, as in pcap rtt, or of the sender that
  // it answers.
  bool label_by_sender = false;
};

// Takes SYN, plain and selective samples; the full and timestamp methods measure the same segments
// once more and are left out.
class RttHistogram final : public RttEventSink {
 public:
  // `registry` and `flows` must outlive this object. The family has the labels Source_IP and
  // Destination_IP; pairs beyond the bound are counted under "other".
  RttHistogram(Registry& registry, const FlowTable& flows, const RttHistogramOptions& options);
  void on_rtt(const RttEvent& event) override;
  // Samples so far; those of pairs beyond the bound among them.
  [[nodiscard]] std::uint64_t samples() const { return samples_; }
  [[nodiscard]] std::uint64_t others() const { return others_; }

 private:
  Histogram& histogram_of(const std::string& source, const std::string& destination);
  const FlowTable& flows_;
  RttHistogramOptions options_;
  Vector<Histogram>& histograms_;
  std::unordered_map<std::string, Histogram*> pairs_;
  std::uint64_t samples_ = 0, others_ = 0;
};

}  // namespace tl::live
