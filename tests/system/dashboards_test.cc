// Test 20 of the telemetry reference: every panel of the provided dashboards has a query that real
// servers answer with something.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "live/qos_fields.hh"
#include "support/databases.hh"
#include "support/far_servers.hh"
#include "support/lab_run.hh"
#include "support/processes.hh"
#include "support/veth_pair.hh"

namespace tl::dashboards_test {
using namespace tl::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const std::string kFolder = TL_SOURCE_DIR "/docker/observability";

json dashboard(const std::string& name) {
  return json::parse(read_file(kFolder + "/grafana/dashboards/" + name));
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

std::string percent_encoded(const std::string& text) {
  std::string result;
  for (const unsigned char c : text) result += fmt::format("%{:02X}", c);
  return result;
}

// Prometheus with the configuration provided, but for one of its targets' ports and the pace.
Server::Command prometheus_of(const std::string& standard_port, std::uint16_t target_port) {
  return [=](std::uint16_t port, const std::string& folder) {
    const std::string config = read_file(kFolder + "/prometheus.yml");
    std::ofstream{folder + "/prometheus.yml"} << replaced(
        replaced(config, "127.0.0.1:" + standard_port, fmt::format("127.0.0.1:{}", target_port)),
        ": 10s", ": 1s");
    return Argv{"prometheus", "--config.file=" + folder + "/prometheus.yml",
                "--storage.tsdb.path=" + folder + "/data",
                fmt::format("--web.listen-address=127.0.0.1:{}", port)};
  };
}

std::size_t series_of(const Server& prometheus, const std::string& expression) {
  const std::string query = percent_encoded(replaced(expression, "$__rate_interval", "10s"));
  const json answer =
      json::parse(http_get(prometheus.port(), "/api/v1/query?query=" + query).body, nullptr, false);
  if (!answer.is_object() || answer.value("status", "") != "success") return 0;
  return answer.at("data").at("result").size();
}

void check_answers(const Server& prometheus, const std::string& name) {
  const json board = dashboard(name);
  CHECK(board.at("panels").size() >= 10);
  for (const json& panel : board.at("panels")) {
    const std::string expression = panel.at("targets").at(0).at("expr");
    CAPTURE(expression);
    CHECK(eventually([&] { return series_of(prometheus, expression) > 0; }, 20s));
  }
}

}  // namespace

TEST_CASE("20 the dashboards are what their tables say, and each picks its data source by itself") {
  const TemporaryFolder folder;
  (void)must_run({"python3", kFolder + "/make_dashboards.py", folder.path()}, 30s);
  std::set<std::string> uids;
  for (const auto& entry : std::filesystem::directory_iterator{folder.path()}) {
    const std::string name = entry.path().filename();
    CAPTURE(name);
    CHECK(read_file(entry.path()) == read_file(kFolder + "/grafana/dashboards/" + name));
    const json board = dashboard(name);
    CHECK(uids.insert(board.at("uid")).second);
    CHECK(board.at("templating").at("list").at(0).at("type") == "datasource");
    for (const json& panel : board.at("panels"))
      CHECK(panel.at("datasource").at("uid") == "${datasource}");
  }
  CHECK(uids.size() == 3);
}

TEST_CASE("20 the users' qos fields have a panel each, which InfluxDB answers after one round") {
  const json board = dashboard("qos.json");
  std::map<std::string, std::string> statements;  // by field
  for (const json& panel : board.at("panels")) {
    const std::string statement = panel.at("targets").at(0).at("query");
    const std::size_t begin = statement.find('"') + 1;
    statements[statement.substr(begin, statement.find('"', begin) - begin)] = statement;
  }
  const VethPair pair;
  pair.left.run([&] {
    const FarServers servers{pair.right};
    const InfluxDatabase database;
    const TemporaryFolder folder;
    const std::string config = folder.path() / "qos.yaml";
    std::ofstream{config} << "ping: {count: 3, interval: 20ms, timeout: 300ms}\n"
                          << "iperf: {duration: 1s, udp_duration: 1s}\n"
                          << "influx: {url: '" << database.url() << "', database: lab}\n"
                          << "targets:\n  - {name: lab, ping: 198.18.0.2, iperf: 198.18.0.2, "
                             "http: {ping: 'http://198.18.0.2/page', download: "
                             "'http://198.18.0.2/page', upload: 'http://198.18.0.2/upload'}}\n";
    (void)must_run({TL_PROGRAM, "qos", "--config", config, "--once"}, 60s);
    for (const live::QosField& field : live::qos_fields()) {
      if (!field.is_users) continue;
      CAPTURE(field.name);
      const auto found = statements.find(std::string{field.name});
      REQUIRE(found != statements.end());
      const json rows = database.rows(replaced(found->second, "$timeFilter", "time > now() - 1h"));
      REQUIRE(rows.is_array());
      CHECK(rows.size() == 1);
    }
  });
}

TEST_CASE("20 Prometheus answers every panel about the exporter") {
  const VethPair pair;
  pair.left.run([&] {
    const Server exporter{[&](std::uint16_t port, const std::string& folder) {
                            std::ofstream{folder + "/export.yaml"}
                                << "destinations: [198.18.0.2]\nping: {every: 1s}\n"
                                << "namespaces: {far: " << path_of(pair.right) << "}\n";
                            return Argv{TL_PROGRAM, "export",
                                        "--config", folder + "/export.yaml",
                                        "--listen", fmt::format("127.0.0.1:{}", port)};
                          },
                          "/metrics"};
    const Server prometheus{prometheus_of("9469", exporter.port()), "/-/ready"};
    check_answers(prometheus, "machine.json");
  });
}

TEST_CASE("20 Prometheus answers every panel about runs once a run was pushed") {
  const TemporaryFolder folder;
  const Server gateway{[](std::uint16_t port, const std::string&) {
                         return Argv{"prometheus-pushgateway", "--persistence.file=",
                                     fmt::format("--web.listen-address=127.0.0.1:{}", port)};
                       },
                       "/-/ready"};
  const Server prometheus{prometheus_of("9091", gateway.port()), "/-/ready"};
  const LabRun run = run_lab(
      folder.path(), {"--engine", "netns", "--duration", "2s", "--push-url", gateway.url()});
  CAPTURE(run.err);
  REQUIRE(run.status.ok());
  check_answers(prometheus, "runs.json");
}

TEST_CASE("20 the compose file of the observability profile and its Prometheus are valid") {
  const std::string services = must_run({"docker-compose", "-f", kFolder + "/compose.yaml",
                                         "--profile", "observability", "config", "--services"},
                                        30s);
  for (const char* name : {"prometheus", "pushgateway", "influxdb", "grafana"})
    CHECK(services.find(name) != std::string::npos);
  CHECK(run_command({"promtool", "check", "config", kFolder + "/prometheus.yml"}, 30s).status.ok());
}
}  // namespace tl::dashboards_test
