// Any bytes as a capture: reader, decompressors, decoder, flows, series, reports. Nothing crashes,
// and everything read adds up.
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "analysis/capture_report.hh"
#include "analysis/capture_summary.hh"
#include "analysis/pass.hh"
#include "analysis/time_series.hh"
#include "base/errors.hh"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

tl::Tally flows_and_rest(const tl::FlowTable& flows) {
  tl::Tally sum = flows.evicted() + flows.not_ip() + flows.undecoded();
  for (std::uint32_t i = 0; i < flows.size(); ++i) {
    const tl::Flow& flow = flows.flow(i);
    sum += flow.total();
    for (const tl::FlowSide& side : flow.sides)
      require(side.sequence.gap_bytes() <= side.sequence.span_bytes());
  }
  return sum;
}

tl::Tally bins_and_rest(const tl::TimeSeries& series) {
  tl::Tally sum = series.untimed() + series.over_limit();
  for (const auto& row : series.rows()) sum += row.tally;
  return sum;
}

void analyse(tl::CaptureReader& reader) {
  tl::Pass pass{reader, tl::FlowTable::kFewestFlows};
  tl::CaptureSummary summary{tl::CaptureSummary::kDefaultMtu, &pass.flows()};
  tl::SeriesOptions options;
  options.by = tl::SeriesBy::flow;
  options.most_bins = 4096;
  tl::TimeSeries series{options, pass.flows()};
  pass.add(summary);
  pass.add(series);
  const tl::Stop& stop = pass.run();
  require(stop.packet_index == summary.totals().packets);
  const tl::Tally flows = flows_and_rest(pass.flows());
  require(flows.packets == summary.totals().packets);
  require(flows.frame_bytes == summary.totals().frame_bytes);
  require(flows == bins_and_rest(series));
  const tl::Write nowhere = [](std::string_view) {};
  for (const auto form : {tl::ReportForm::text, tl::ReportForm::csv, tl::ReportForm::json}) {
    tl::write_summary(nowhere, form, reader, summary);
    tl::write_series(nowhere, form, series);
    tl::write_flows(nowhere, form, pass.flows(), {});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    tl::CaptureReader reader{tl::memory_source({data, size}), "fuzz"};
    analyse(reader);
  } catch (const tl::UsageError&) {  // not a capture
  }
  return 0;
}
