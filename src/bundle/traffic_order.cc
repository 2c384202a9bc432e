#include "bundle/traffic_order.hh"

namespace tl {

void to_json(nlohmann::json& j, const TrafficOrder& o) {
  j = {
      {"server_options", o.server_options}, {"client_options", o.client_options}, {"port", o.port}};
}

void from_json(const nlohmann::json& j, TrafficOrder& o) {
  j.at("server_options").get_to(o.server_options);
  j.at("client_options").get_to(o.client_options);
  j.at("port").get_to(o.port);
}

}  // namespace tl
