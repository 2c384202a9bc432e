#include "report/timeline_section.hh"

#include "analysis/rate_statistics.hh"
#include "analysis/stalls.hh"
#include "report/packed_counts.hh"
#include "report/slow_windows.hh"

namespace tl {
namespace {

using nlohmann::json;

constexpr std::size_t kMostStalls = 500;  // a page with more markers shows nothing

struct Window {
  std::int64_t start_ns = 0, end_ns = 0;
};

// The traffic window; of a run without one, everything that was counted.
Window window_of(const json& manifest, const Timeline& timeline) {
  const std::int64_t last_ns =
      timeline.first_ns + static_cast<std::int64_t>(timeline.buckets) * timeline.interval_ns;
  Window window;
  if (manifest.contains("traffic_window")) {
    window.start_ns = manifest.at("traffic_window").value("start_ns", std::int64_t{0});
    window.end_ns = manifest.at("traffic_window").value("end_ns", std::int64_t{0});
  }
  if (window.start_ns == 0) window.start_ns = timeline.first_ns;
  if (window.end_ns == 0) window.end_ns = last_ns;
  return window;
}

json statistics_of(const std::vector<std::uint64_t>& counts, const BucketRange& range) {
  const RateStatistics s = rate_statistics(counts, range);
  return {{"sum", s.sum}, {"buckets", s.buckets}, {"quantiles", s.quantiles}};
}

json series_section(const TimelineSeries& series, const BucketRange& range) {
  json columns, statistics;
  for (std::size_t i = 0; i < kColumnNames.size(); ++i) {
    const std::string name{kColumnNames[i]};
    columns[name] = pack_counts(series.columns[i]);
    statistics[name] = statistics_of(series.columns[i], range);
  }
  return {{"name", series.name}, {"columns", columns}, {"statistics", statistics}};
}

// The service that the test's payload flows to; empty when iperf does not say.
std::string receiver_of(const std::vector<IperfTrack>& tracks) {
  for (const IperfTrack& track : tracks)
    if (track.missing.empty() && !track.is_sender) return track.service;
  return "";
}

json stall_section(const Timeline& timeline, const std::string& receiver, const BucketRange& range,
                   std::int64_t origin_ns) {
  json list = json::array();
  std::size_t count = 0;
  for (const TimelineSeries& series : timeline.series) {
    if (series.name != receiver) continue;
    for (const Stall& s : find_stalls(series[Column::rx_bytes], range, timeline.interval_ns)) {
      if (++count > kMostStalls) continue;
      list.push_back({{"start_ns", timeline.first_ns - origin_ns +
                                       static_cast<std::int64_t>(s.bucket) * timeline.interval_ns},
                      {"length_ns", static_cast<std::int64_t>(s.buckets) * timeline.interval_ns}});
    }
  }
  return {
      {"service", receiver}, {"shortest_ns", kShortestStallNs}, {"count", count}, {"list", list}};
}

json slow_section(const Timeline& timeline, const std::string& receiver, const BucketRange& range,
                  std::int64_t origin_ns) {
  json list = json::array();
  for (const TimelineSeries& series : timeline.series) {
    if (series.name != receiver) continue;
    for (const SlowWindow& w : slow_windows(series[Column::rx_bytes], range))
      list.push_back({{"start_ns", timeline.first_ns - origin_ns +
                                       static_cast<std::int64_t>(w.bucket) * timeline.interval_ns},
                      {"bytes", w.sum}});
  }
  const auto length_ns = static_cast<std::int64_t>(kSlowWindowBuckets) * timeline.interval_ns;
  return {{"service", receiver}, {"length_ns", length_ns}, {"list", list}};
}

json iperf_intervals(const IperfTrack& track) {
  json list = json::array();
  for (const IperfInterval& i : track.intervals)
    list.push_back({i.start_us, i.end_us, i.bytes, i.retransmits ? json(*i.retransmits) : json(),
                    i.is_omitted});
  return list;
}

}  // namespace

json timeline_section(const Timeline& timeline, const std::vector<IperfTrack>& tracks,
                      const json& manifest, std::int64_t origin_ns) {
  if (!timeline.missing.empty()) return {{"missing", timeline.missing}};
  const Window window = window_of(manifest, timeline);
  const BucketRange range = buckets_inside(timeline, window.start_ns, window.end_ns);
  const std::string receiver = receiver_of(tracks);
  json list = json::array();
  for (const TimelineSeries& series : timeline.series)
    list.push_back(series_section(series, range));
  return {{"first_ns", timeline.first_ns - origin_ns},
          {"interval_ns", timeline.interval_ns},
          {"buckets", timeline.buckets},
          {"window",
           {{"start_ns", window.start_ns - origin_ns}, {"end_ns", window.end_ns - origin_ns}}},
          {"receiver", receiver},
          {"series", list},
          {"stalls", stall_section(timeline, receiver, range, origin_ns)},
          {"slowest", slow_section(timeline, receiver, range, origin_ns)}};
}

json iperf_section(const std::vector<IperfTrack>& tracks, const json& captures,
                   std::int64_t origin_ns) {
  json list = json::array();
  for (const IperfTrack& track : tracks) {
    json entry = {{"side", track.side}, {"service", track.service}};
    if (!track.missing.empty()) {
      entry["missing"] = track.missing;
    } else {
      const auto zero_ns = iperf_zero_ns(track, captures.at(track.service));
      entry["test"] = track.test;
      entry["is_sender"] = track.is_sender;
      entry["zero_ns"] = zero_ns ? *zero_ns - origin_ns : 0;
      entry["zero_from"] = zero_ns ? "first packet of its last connection" : "opening of the gate";
      entry["intervals"] = iperf_intervals(track);
    }
    list.push_back(entry);
  }
  return list;
}

}  // namespace tl
