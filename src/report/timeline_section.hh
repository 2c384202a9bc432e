// The parts of the report document that lie on the time axis.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "analysis/timeline.hh"
#include "report/iperf_track.hh"

namespace tl {

// {"first_ns", "interval_ns", "buckets", "window", "receiver", "series": [{"name", "columns":
// packed, "statistics"}], "stalls", "slowest"}; or {"missing"}. Statistics, stalls and slowest
// windows are of the buckets wholly inside the traffic window.
nlohmann::json timeline_section(const Timeline& timeline, const std::vector<IperfTrack>& tracks,
                                const nlohmann::json& manifest, std::int64_t origin_ns);

// [{"side", "service", "is_sender", "zero_ns", "zero_from", "intervals": [[start_us, end_us, bytes,
// retransmits or null, omitted]]}]; each or {"missing"}. `captures`: analysis documents by service.
nlohmann::json iperf_section(const std::vector<IperfTrack>& tracks, const nlohmann::json& captures,
                             std::int64_t origin_ns);

}  // namespace tl
