// Any bytes as a capture: reader, decompressors, decoder, flows, series, RTT, diff, reports.
// Nothing crashes, and everything read adds up.
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "analysis/capture_report.hh"
#include "analysis/capture_summary.hh"
#include "analysis/exchange_report.hh"
#include "analysis/pass.hh"
#include "analysis/rtt_report.hh"
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
  tl::RttObserver rtt;
  pass.add(rtt);
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
    tl::write_rtt(nowhere, form, rtt, pass.flows(), {});
  }
}

// The capture against its own first half: every packet ends in one place.
void compare(std::span<const std::uint8_t> bytes) {
  const tl::PacketPrinter printer{64};
  tl::ExchangeOptions options;
  options.most_waiting = 64;
  options.window_ns = 1'000'000;
  tl::ExchangeDiff diff{options, printer};
  tl::CaptureReader reader{tl::memory_source(bytes), "fuzz"};
  std::uint64_t index = 0;
  for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
    for (const tl::Packet& packet : batch) {
      tl::PacketInfo info;
      tl::decode(packet, info);
      diff.add(0, packet, info);
      if (++index % 3 != 0) diff.add(1, packet, info);
    }
  diff.finish();
  for (const tl::PathDiff& path : diff.paths())
    for (unsigned c = 0; c < 2; ++c)
      require(path.seen[c].packets == path.matched[c].packets + path.partly[c].packets +
                                          path.only[c].packets + path.duplicated[c].packets +
                                          path.before[c].packets + path.beyond[c].packets +
                                          path.given_up[c].packets);
  const tl::Write nowhere = [](std::string_view) {};
  for (const auto form : {tl::ReportForm::text, tl::ReportForm::csv, tl::ReportForm::json})
    tl::write_exchange(nowhere, form, diff);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    tl::CaptureReader reader{tl::memory_source({data, size}), "fuzz"};
    analyse(reader);
    compare({data, size});
  } catch (const tl::UsageError&) {  // not a capture
  }
  return 0;
}
