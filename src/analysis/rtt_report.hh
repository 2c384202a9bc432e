// Round-trip times as text, CSV and JSON. Schemas: docs/pcap-rtt.md.
#pragma once

#include <utility>
#include <vector>

#include "analysis/capture_report.hh"
#include "analysis/rtt.hh"

namespace tl {

struct RttReportOptions {
  // Source and destination are those of the ACK; by sender, those of the data it acknowledges.
  bool label_by_sender = false;
  std::size_t top = 0;      // only the halves with the most samples; 0: all
  bool histograms = false;  // JSON only: also of every flow; the sums always have theirs
  std::vector<std::pair<Address16, std::uint8_t>> local;  // addresses of the tap's own machine
};

// One row for each half that sent something, then evicted flows, then the sums. As JSON: the member
// "rtt" of an object, without the braces around it.
void write_rtt(const Write& write, ReportForm form, const RttObserver& observer,
               const FlowTable& flows, const RttReportOptions& options);

// One CSV line for every sample, as it comes.
class RttSampleWriter : public RttEventSink {
 public:
  RttSampleWriter(const Write& write, const FlowTable& flows, bool label_by_sender);
  void on_rtt(const RttEvent& event) override;

 private:
  const Write& write_;
  const FlowTable& flows_;
  bool label_by_sender_;
};

}  // namespace tl
