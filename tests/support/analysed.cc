#include "support/analysed.hh"

namespace tl::test {

Analysed::Analysed(std::unique_ptr<ByteSource> source, SeriesOptions options,
                   std::uint32_t most_flows)
    : reader{std::move(source), "test"},
      pass{reader, most_flows},
      summary{CaptureSummary::kDefaultMtu, &pass.flows()},
      series{std::move(options), pass.flows()} {
  pass.want_flows();
  pass.add(summary);
  pass.add(series);
  stop = pass.run();
}

Tally Analysed::flows_and_rest() const {
  const FlowTable& flows = pass.flows();
  Tally sum = flows.evicted() + flows.not_ip() + flows.undecoded();
  for (std::uint32_t i = 0; i < flows.size(); ++i) sum += flows.flow(i).total();
  return sum;
}

Tally Analysed::bins_and_rest() const {
  Tally sum = series.untimed() + series.over_limit();
  for (const TimeSeries::Row& row : series.rows()) sum += row.tally;
  return sum;
}

Tally Analysed::contents() const {
  const SummaryTotals& t = totals();
  return t.not_ip + t.undecoded + t.ipv4_tcp + t.ipv4_udp + t.ipv4_other + t.ipv6_tcp + t.ipv6_udp +
         t.ipv6_other;
}

std::string Analysed::broken_identity() const {
  const auto differs = [&](const Tally& tally) {
    return tally.packets != totals().packets || tally.frame_bytes != totals().frame_bytes;
  };
  if (differs(contents())) return "the contents do not add up to the totals";
  if (!(flows_and_rest() == contents())) return "the flows do not add up to the totals";
  if (!(bins_and_rest() == contents())) return "the bins do not add up to the totals";
  if (stop.packet_index != totals().packets) return "the stop does not count every packet";
  return "";
}

std::unique_ptr<Analysed> analyse(const Bytes& bytes, SeriesOptions options,
                                  std::uint32_t most_flows) {
  return std::make_unique<Analysed>(memory_source(bytes), std::move(options), most_flows);
}

}  // namespace tl::test
