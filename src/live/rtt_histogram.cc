#include "live/rtt_histogram.hh"

#include "analysis/decode.hh"

namespace tl::live {
namespace {

// 10 us to 10 s, in steps of 1, 2, 5: from the stack of one host to the worst of the Internet.
std::vector<double> bounds_seconds() {
  std::vector<double> bounds;
  for (const double decade : {1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0})
    for (const double step : {1.0, 2.0, 5.0}) bounds.push_back(decade * step);
  bounds.push_back(10);
  return bounds;
}

}  // namespace

RttHistogram::RttHistogram(Registry& registry, const FlowTable& flows,
                           const RttHistogramOptions& options)
    : flows_{flows},
      options_{options},
      histograms_{registry.histogram(
          {options.name, "Round-trip times of TCP, from a segment to its acknowledgment.",
           options.name.ends_with("_seconds") ? "seconds" : ""},
          bounds_seconds())} {}

Histogram& RttHistogram::histogram_of(const std::string& source, const std::string& destination) {
  const std::string key = source + ' ' + destination;
  if (const auto found = pairs_.find(key); found != pairs_.end()) return *found->second;
  const bool has_room = pairs_.size() < options_.most_pairs;
  Histogram& histogram = histograms_.with({{"Source_IP", has_room ? source : "other"},
                                           {"Destination_IP", has_room ? destination : "other"}});
  if (has_room) pairs_.emplace(key, &histogram);
  others_ += has_room ? 0 : 1;
  return histogram;
}

void RttHistogram::on_rtt(const RttEvent& event) {
  const RttMethod method = event.sample.method;
  if (method == RttMethod::full || method == RttMethod::ts) return;
  const Flow& flow = flows_.flow(event.flow);
  const bool from_server = (event.end == RttEnd::server) != options_.label_by_sender;
  const Endpoint client = flow.client(), server = flow.server();
  const std::uint8_t version = flow.key.ip_version;
  const std::string source = address_text((from_server ? server : client).address, version);
  const std::string destination = address_text((from_server ? client : server).address, version);
  ++samples_;
  histogram_of(source, destination).observe(static_cast<double>(event.sample.rtt_ns) / 1e9);
}

}  // namespace tl::live
