// A Prometheus of the test's own that scrapes a node_exporter of the test's own, both on loopback.
#pragma once

#include <string>

#include "support/server.hh"

namespace tl::test {

class MonitoredNode {
 public:
  // `config` is prometheus.yml with {node} where the exporter's ADDRESS:PORT belongs; ready when
  // the exporter has been scraped.
  explicit MonitoredNode(const std::string& config);
  [[nodiscard]] const Server& prometheus() const { return prometheus_; }
  [[nodiscard]] std::string config_file() const { return prometheus_.folder() + "/prometheus.yml"; }
  // The body of /api/v1/query.
  [[nodiscard]] std::string query(const std::string& expression) const;

 private:
  Server node_;
  Server prometheus_;
};

// One job "node", scraped every second.
std::string every_second_config();

}  // namespace tl::test
