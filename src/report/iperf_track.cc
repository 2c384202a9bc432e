#include "report/iperf_track.hh"

#include <algorithm>
#include <cmath>

#include "bundle/iperf_result.hh"

namespace tl {
namespace {

using nlohmann::json;

std::int64_t microseconds(const json& sum, const char* key) {
  return std::llround(sum.at(key).get<double>() * 1e6);
}

IperfInterval interval_of(const json& sum) {
  IperfInterval interval;
  interval.start_us = microseconds(sum, "start");
  interval.end_us = microseconds(sum, "end");
  interval.bytes = sum.at("bytes").get<std::uint64_t>();
  interval.is_omitted = sum.value("omitted", false);
  const auto found = sum.find("retransmits");
  if (found != sum.end() && found->is_number_integer())
    interval.retransmits = found->get<std::int64_t>();
  return interval;
}

void take(IperfTrack& track, const json& document) {
  for (const json& entry : document.at("intervals")) {
    const json& sum = entry.at("sum");
    if (!sum.at("bytes").is_number_unsigned()) continue;  // NaN of an empty interval
    track.intervals.push_back(interval_of(sum));
    track.is_sender = sum.value("sender", false);
  }
  track.test = document.at("start").value("test_start", json());
  for (const json& connection : document.at("start").at("connected"))
    track.client_ports.push_back(
        connection.at(track.side == "client" ? "local_port" : "remote_port").get<std::uint16_t>());
}

}  // namespace

IperfTrack read_iperf_track(const std::filesystem::path& bundle, const std::string& side) {
  IperfTrack track;
  track.side = side;
  track.service = "iperf-" + side;
  const IperfResult result = read_iperf(bundle / "iperf" / (side + ".json"));
  if (result.error) {
    track.missing = *result.error;
    return track;
  }
  try {
    take(track, result.document);
  } catch (const json::exception& e) {
    track.intervals.clear();
    track.missing = "iperf/" + side + ".json: " + e.what();
  }
  if (track.intervals.empty() && track.missing.empty()) track.missing = "no intervals";
  return track;
}

std::optional<std::int64_t> iperf_zero_ns(const IperfTrack& track, const json& capture_summary) {
  std::optional<std::int64_t> latest;
  if (!capture_summary.is_object() || !capture_summary.contains("flows")) return latest;
  for (const json& flow : capture_summary.at("flows")) {
    const auto port = flow.value("client_port", std::uint16_t{0});
    if (std::find(track.client_ports.begin(), track.client_ports.end(), port) ==
        track.client_ports.end())
      continue;
    const auto first_ns = flow.value("first_ns", std::int64_t{0});
    latest = std::max(latest.value_or(first_ns), first_ns);
  }
  return latest;
}

}  // namespace tl
