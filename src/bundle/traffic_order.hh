// What the traffic services of a run are to do. Posted as the control message "traffic" before the
// lab comes up.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tl {

struct TrafficOrder {
  std::vector<std::string> server_options;  // words for iperf3's own option parser
  std::vector<std::string>
      client_options;  // the same; the address of the server is added when the gate opens
  std::uint16_t port = 5201;
};

void to_json(nlohmann::json& j, const TrafficOrder& o);
void from_json(const nlohmann::json& j, TrafficOrder& o);

}  // namespace tl
