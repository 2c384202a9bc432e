// One capture through every observer at once, and the identities that hold for any capture
// whatever.
#pragma once

#include <memory>
#include <string>

#include "analysis/capture_summary.hh"
#include "analysis/pass.hh"
#include "analysis/time_series.hh"
#include "support/capture_maker.hh"

namespace tl::test {

struct Analysed {
  explicit Analysed(std::unique_ptr<ByteSource> source, SeriesOptions options = {},
                    std::uint32_t most_flows = 4096);
  CaptureReader reader;
  Pass pass;
  CaptureSummary summary;
  TimeSeries series;
  Stop stop;

  [[nodiscard]] const SummaryTotals& totals() const { return summary.totals(); }
  [[nodiscard]] Tally flows_and_rest() const;
  [[nodiscard]] Tally bins_and_rest() const;
  [[nodiscard]] Tally contents() const;
  // Empty when flows, bins and contents all add up to the totals; else which do not.
  [[nodiscard]] std::string broken_identity() const;
};

// Throws UsageError when `bytes` are no capture.
std::unique_ptr<Analysed> analyse(const Bytes& bytes, SeriesOptions options = {},
                                  std::uint32_t most_flows = 4096);

}  // namespace tl::test
