#include "analysis/run_diff.hh"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/time_series.hh"

namespace tl {
namespace {

using Parts = std::map<std::string, RunPart>;
using Bins = std::map<std::int64_t, std::uint64_t>;  // frame bytes by number of the bin

struct Run {
  std::vector<std::pair<std::string, std::optional<std::int64_t>>> metrics;
  Bins bins;
};

std::int64_t first_time_ns(const std::string& path) {
  CaptureReader reader = CaptureReader::open(path);
  TimeRange time;
  for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
    for (const Packet& packet : batch)
      if ((packet.flags & kNoTime) == 0) time.add(packet.time_ns);
  return time.empty() ? 0 : time.first_ns;
}

void add_part(Parts& parts, std::string name, unsigned run, const Flow& flow) {
  RunPart& part = parts[name];
  part.name = std::move(name);
  part.from_client[run] += flow.sides[0].tally;
  part.from_server[run] += flow.sides[1].tally;
}

std::string flow_name(const Flow& flow, bool ignore_client_port) {
  if (!ignore_client_port) return flow_label(flow);
  const std::uint8_t version = flow.key.ip_version;
  return fmt::format("{} {} {} port {}", protocol_name(flow.key.protocol),
                     address_text(flow.client().address, version),
                     address_text(flow.server().address, version), flow.server().port);
}

void take_metrics(Run& run, const CaptureSummary& summary, const FlowTable& flows) {
  const SummaryTotals& t = summary.totals();
  const auto add = [&](const char* name, std::uint64_t value) {
    run.metrics.emplace_back(name, static_cast<std::int64_t>(value));
  };
  add("packets", t.packets);
  add("frame_bytes", t.frame_bytes);
  add("captured_bytes", t.captured_bytes);
  add("truncated_packets", t.truncated);
  add("largest_frame_bytes", t.largest);
  run.metrics.emplace_back("duration_ns", t.time.duration_ns());
  add("back_steps", t.back_steps);
  run.metrics.emplace_back("largest_back_step_ns", t.largest_back_step_ns);
  const Tally tcp = t.ipv4_tcp + t.ipv6_tcp, udp = t.ipv4_udp + t.ipv6_udp;
  const Tally other = t.ipv4_other + t.ipv6_other;
  for (const auto& [name, tally] : {std::pair<std::string, Tally>{"tcp", tcp},
                                    {"udp", udp},
                                    {"other_transport", other},
                                    {"not_ip", t.not_ip},
                                    {"undecoded", t.undecoded}}) {
    add((name + "_packets").c_str(), tally.packets);
    add((name + "_frame_bytes").c_str(), tally.frame_bytes);
    if (name == "tcp" || name == "udp") add((name + "_payload_bytes").c_str(), tally.payload_bytes);
  }
  add("over_mtu_packets", t.super.packets);
  std::uint64_t retransmitted = 0, gaps = 0, connections = 0;
  for (std::uint32_t i = 0; i < flows.size(); ++i) {
    connections += flows.flow(i).connections;
    for (const FlowSide& side : flows.flow(i).sides) {
      retransmitted += side.sequence.retransmitted_bytes();
      gaps += side.sequence.gap_bytes();
    }
  }
  add("flows", flows.size());
  add("tcp_connections", connections);
  add("tcp_retransmitted_bytes", retransmitted);
  add("tcp_gap_bytes", gaps);
}

void take_rtt(Run& run, const RttTable& table) {
  const auto totals = table.totals();
  for (std::size_t end = 0; end < totals.size(); ++end) {
    const std::string name = end == 0 ? "rtt_server_" : "rtt_client_";
    const Distribution& d = totals[end].rtt;
    const auto add = [&](const char* what, auto value) {
      run.metrics.emplace_back(name + what, d.empty() ? std::nullopt : std::optional{value()});
    };
    run.metrics.emplace_back(name + "samples", static_cast<std::int64_t>(d.count()));
    add("min_ns", [&] { return d.minimum_ns(); });
    add("p50_ns", [&] { return d.percentile_ns(500); });
    add("p90_ns", [&] { return d.percentile_ns(900); });
    add("p99_ns", [&] { return d.percentile_ns(990); });
    add("max_ns", [&] { return d.maximum_ns(); });
  }
}

Run measure(const std::string& path, unsigned number, const RunDiffOptions& options, RunDiff& diff,
            Parts& ports, Parts& flows) {
  CaptureReader reader = CaptureReader::open(path);
  Pass pass{reader, options.most_flows};
  CaptureSummary summary{CaptureSummary::kDefaultMtu, &pass.flows()};
  SeriesOptions series_options;
  series_options.interval = options.interval;
  series_options.origin_ns = first_time_ns(path);
  TimeSeries series{series_options, pass.flows()};
  RttObserver rtt;
  pass.add(summary);
  pass.add(series);
  pass.add(rtt);
  diff.stops[number] = pass.run();
  diff.evictions[number] = pass.flows().evictions();

  Run run;
  take_metrics(run, summary, pass.flows());
  take_rtt(run, rtt.table());
  for (const TimeSeries::Row& row : series.rows())
    run.bins[(row.start_ns - series_options.origin_ns) / options.interval.count()] +=
        row.tally.frame_bytes;
  for (std::uint32_t i = 0; i < pass.flows().size(); ++i) {
    const Flow& flow = pass.flows().flow(i);
    const std::string protocol = protocol_name(flow.key.protocol);
    add_part(ports, fmt::format("{} {}", protocol, flow.server().port), number, flow);
    add_part(flows, flow_name(flow, options.ignore_client_port), number, flow);
  }
  return run;
}

SeriesDistance distance(const Bins& a, const Bins& b) {
  SeriesDistance sum;
  auto i = a.begin();
  auto j = b.begin();
  while (i != a.end() || j != b.end()) {
    const bool has_a = i != a.end() && (j == b.end() || i->first <= j->first);
    const bool has_b = j != b.end() && (i == a.end() || j->first <= i->first);
    const std::uint64_t left = has_a ? (i++)->second : 0, right = has_b ? (j++)->second : 0;
    sum.bins += 1;
    sum.different_bins += left == right ? 0 : 1;
    sum.difference_bytes += left > right ? left - right : right - left;
    sum.sum_bytes += left + right;
  }
  return sum;
}

std::vector<RunPart> sorted(Parts&& parts) {
  std::vector<RunPart> list;
  for (auto& [name, part] : parts) list.push_back(std::move(part));
  const auto weight = [](const RunPart& part) {
    const std::uint64_t a = part.total(0).frame_bytes, b = part.total(1).frame_bytes;
    return std::pair{a > b ? a - b : b - a, part.is_equal() ? 0 : 1};
  };
  std::stable_sort(list.begin(), list.end(),
                   [&](const RunPart& a, const RunPart& b) { return weight(a) > weight(b); });
  return list;
}

}  // namespace

std::optional<std::int64_t> RunMetric::difference() const {
  if (!values[0] || !values[1]) return std::nullopt;
  return *values[1] - *values[0];
}

std::int64_t RunMetric::distance_ppm() const {
  constexpr std::int64_t kWhole = 1'000'000;
  if (is_equal()) return 0;
  if (!values[0] || !values[1]) return kWhole;
  __extension__ using Wide = __int128;
  const Wide a = *values[0], b = *values[1];  // none of the metrics is negative
  return static_cast<std::int64_t>((a > b ? a - b : b - a) * kWhole / std::max(a, b));
}

std::int64_t SeriesDistance::ppm() const {
  if (sum_bytes == 0) return 0;
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::int64_t>(Wide{difference_bytes} * 1'000'000 / sum_bytes);
}

bool RunDiff::is_identical() const {
  const auto equal = [](const auto& each) { return each.is_equal(); };
  return std::all_of(metrics.begin(), metrics.end(), equal) &&
         std::all_of(ports.begin(), ports.end(), equal) &&
         std::all_of(flows.begin(), flows.end(), equal) && series.difference_bytes == 0;
}

RunDiff compare_runs(const std::array<std::string, 2>& paths, const RunDiffOptions& options) {
  RunDiff diff;
  Parts ports, flows;
  const Run a = measure(paths[0], 0, options, diff, ports, flows);
  const Run b = measure(paths[1], 1, options, diff, ports, flows);
  for (std::size_t i = 0; i < a.metrics.size(); ++i)  // the same names in the same order
    diff.metrics.push_back({a.metrics[i].first, {a.metrics[i].second, b.metrics[i].second}});
  diff.series = distance(a.bins, b.bins);
  diff.metrics.push_back({"series_distance_ppm", {0, diff.series.ppm()}});
  diff.ports = sorted(std::move(ports));
  diff.flows = sorted(std::move(flows));
  return diff;
}

}  // namespace tl
