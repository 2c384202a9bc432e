// The parts of the report document that come from the analysed captures. Each is {"missing":
// reason} where there is no such analysis.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

namespace tl {

// {"from": service, "flows": [...], "flow_count"}: the largest flows, by frame bytes, of the
// capture at the server (else at the client).
nlohmann::json flow_section(const nlohmann::json& captures, std::int64_t origin_ns);
// {"from": service, "sides": [{"name", "count", percentiles, "histogram"}]}: passive TCP round-trip
// times at the sender's capture.
nlohmann::json rtt_section(const nlohmann::json& captures);
// {"paths": [{"name", "count", percentiles, "histogram", "lost_packets", …}]}: one-way delay
// between the two captures of one clock.
nlohmann::json delay_section(const nlohmann::json& exchange);

}  // namespace tl
