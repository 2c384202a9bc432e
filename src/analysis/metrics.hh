// The metrics of a run: what comparisons and gates are made of. Each has a unit, a direction and a
// definition; docs/metrics.md lists them.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/evidence.hh"
#include "analysis/timeline.hh"
#include "bundle/iperf_result.hh"

namespace tl {

enum class Better : std::uint8_t { higher, lower, neither };

struct Metric {
  std::string name, unit;
  std::string direction;  // of the test's data: "client_to_server", "server_to_client"; or "both"
  Better better = Better::neither;
  std::optional<double> value;
  std::string reason;  // why there is no value
  std::string definition;
};

// [start, end) of the traffic, ns since the epoch.
struct TrafficWindow {
  std::int64_t start_ns = 0, end_ns = 0;
};

struct MetricInput {
  const Evidence& evidence;
  const IperfResult& client;
  const IperfResult& server;
  const Timeline& timeline;  // counters/container.csv
  nlohmann::json exchange;   // analysis/exchange.json, or null
  nlohmann::json losses;     // "losses" of counters.json, or null
  TrafficWindow window;
};

// Always the same metrics in the same order; what could not be measured has no value and a reason.
std::vector<Metric> metrics_of(const MetricInput& input);

// metrics.json, schema trafficlab.metrics/1.
nlohmann::ordered_json metrics_json(const std::vector<Metric>& metrics);

}  // namespace tl
