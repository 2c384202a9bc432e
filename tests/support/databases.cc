#include "support/databases.hh"

#include <fmt/format.h>
#include <httplib.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace tl::test {
namespace {

constexpr const char* kInfluxConfig = R"(reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
{settings}
)";

httplib::Client client_of(std::uint16_t port) {
  httplib::Client client{"127.0.0.1", port};
  client.set_read_timeout(20);
  return client;
}

}  // namespace

InfluxDatabase::InfluxDatabase(const std::string& http_settings)
    : port_{free_port()}, rpc_port_{free_port()} {
  std::ofstream{folder_.path() / "config"} << fmt::format(
      kInfluxConfig, fmt::arg("rpc", rpc_port_), fmt::arg("port", port_),
      fmt::arg("folder", folder_.path().native()), fmt::arg("settings", http_settings));
  start();
  if (http_settings.find("auth-enabled") == std::string::npos) (void)execute("CREATE DATABASE lab");
}

void InfluxDatabase::start() {
  server_ = std::make_unique<Server>(
      [&](std::uint16_t, const std::string&) {
        return Argv{"influxd", "run", "-config", (folder_.path() / "config").native()};
      },
      "", [&](std::uint16_t) { return http_get(port_, "/ping").status == 204; });
}

void InfluxDatabase::stop() { server_.reset(); }

nlohmann::json InfluxDatabase::execute(const std::string& statement, const std::string& user,
                                       const std::string& password) const {
  httplib::Client client = client_of(port_);
  if (!user.empty()) client.set_basic_auth(user.c_str(), password.c_str());
  const httplib::Params parameters{{"db", "lab"}, {"epoch", "ns"}, {"q", statement}};
  const auto answer = client.Post("/query", parameters);
  if (!answer) throw std::runtime_error{"query: no answer"};
  auto json = nlohmann::json::parse(answer->body);
  if (json.contains("error") || json["results"][0].contains("error"))
    throw std::runtime_error{"query: " + answer->body};
  return json;
}

nlohmann::json InfluxDatabase::rows(const std::string& statement) const {
  const nlohmann::json result = execute(statement)["results"][0];
  return result.contains("series") ? result["series"][0]["values"] : nlohmann::json{};
}

int InfluxDatabase::write_raw(const std::string& lines) const {
  const auto answer = client_of(port_).Post("/write?db=lab", lines, "text/plain");
  return answer ? answer->status : 0;
}

VictoriaMetrics::VictoriaMetrics()
    : server_{[](std::uint16_t port, const std::string& folder) {
                return Argv{"victoria-metrics", fmt::format("-httpListenAddr=127.0.0.1:{}", port),
                            "-storageDataPath=" + folder + "/data", "-retentionPeriod=100y"};
              },
              "/health"} {}

std::vector<nlohmann::json> VictoriaMetrics::exported() const {
  (void)http_get(server_.port(), "/internal/force_flush");
  const std::string all = "/api/v1/export?match[]=%7B__name__%21%3D%22%22%7D&start=0";
  std::istringstream lines{http_get(server_.port(), all).body};
  std::vector<nlohmann::json> series;
  for (std::string line; std::getline(lines, line);) series.push_back(nlohmann::json::parse(line));
  return series;
}

}  // namespace tl::test
