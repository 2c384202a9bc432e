#include "support/monitored.hh"

#include <chrono>
#include <fstream>
#include <stdexcept>

#include "base/http.hh"
#include "support/processes.hh"

namespace tl::test {
namespace {

std::string with_node(std::string config, std::uint16_t port) {
  const std::string place = "{node}", address = "127.0.0.1:" + std::to_string(port);
  for (std::size_t at = config.find(place); at != std::string::npos; at = config.find(place, at))
    config.replace(at, place.size(), address);
  return config;
}

}  // namespace

MonitoredNode::MonitoredNode(const std::string& config)
    : node_{[](std::uint16_t port, const std::string&) {
              return Argv{"prometheus-node-exporter",
                          "--collector.disable-defaults",
                          "--collector.loadavg",
                          "--collector.time",
                          "--collector.stat",
                          "--web.listen-address=127.0.0.1:" + std::to_string(port)};
            },
            "/metrics"},
      prometheus_{[&](std::uint16_t port, const std::string& folder) {
                    std::ofstream{folder + "/prometheus.yml"} << with_node(config, node_.port());
                    return Argv{"prometheus", "--config.file=" + folder + "/prometheus.yml",
                                "--storage.tsdb.path=" + folder + "/data", "--web.enable-lifecycle",
                                "--web.listen-address=127.0.0.1:" + std::to_string(port)};
                  },
                  "/-/ready"} {
  const auto is_scraped = [&] { return query("up").find("\"1\"]") != std::string::npos; };
  if (!eventually(is_scraped, std::chrono::seconds{20}))
    throw std::runtime_error{"node_exporter was not scraped: " + prometheus_.log()};
}

std::string MonitoredNode::query(const std::string& expression) const {
  return http_get(prometheus_.port(), "/api/v1/query?query=" + url_encoded(expression)).body;
}

std::string every_second_config() {
  return "global:\n"
         "  scrape_interval: 1s\n"
         "scrape_configs:\n"
         "  - job_name: node\n"
         "    static_configs:\n"
         "      - targets: [\"{node}\"]\n";
}

}  // namespace tl::test
