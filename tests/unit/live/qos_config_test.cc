// Tests 17 and 19 of the telemetry reference: where settings come from.
#include "live/qos_config.hh"

#include <doctest/doctest.h>

#include <fstream>
#include <map>

#include "base/errors.hh"
#include "live/qos_probes.hh"
#include "support/temporary.hh"

namespace tl::live_qos_config_test {
using namespace tl::live;
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

QosConfig read_text(const std::string& text) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "qos.yaml";
  std::ofstream{file} << text;
  return read_qos_config(file);
}

std::string refusal(const std::string& text) {
  try {
    check_qos_config(read_text(text));
  } catch (const UsageError& error) {
    const std::string message = error.what();
    return message.starts_with("/tmp/") ? message.substr(message.find(".yaml") + 5) : message;
  }
  return "";
}

Environment environment_of(const std::map<std::string, std::string>& variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional{found->second};
  };
}

}  // namespace

TEST_CASE("17 a file says what to probe, how often, and where rows go") {
  const QosConfig c = read_text(
      "every: 30s\n"
      "targets:\n"
      "  - {name: lab, ping: 198.18.0.2, iperf: '198.18.0.2:5202', http: 'http://198.18.0.2/'}\n"
      "  - {name: six, iperf: '[fd00::1]:5203', http: {download: 'http://x/file'}}\n"
      "iperf: {every: 5m, duration: 3s, udp_duration: 0, udp_bitrate: 20M}\n"
      "http: {upload_bytes: 1k}\n"
      "influx: {url: 'http://127.0.0.1:8086', version: 2, org: o, bucket: b, spool: /x}\n"
      "csv: rows.csv\n"
      "listen: 127.0.0.1:9000\n");
  REQUIRE(c.targets.size() == 2);
  CHECK(c.targets[0].iperf_port == 5202);
  CHECK(c.targets[0].http_upload_url == "http://198.18.0.2/");
  CHECK(c.targets[1].iperf_server == "fd00::1");
  CHECK(c.targets[1].iperf_port == 5203);
  CHECK(targets_of(c, "ping") == std::vector<std::string>{"lab"});
  CHECK(targets_of(c, "http") == std::vector<std::string>{"lab", "six"});
  CHECK(c.every_ping == 30s);
  CHECK(c.every_iperf == 5min);
  CHECK(offset_of(c, "iperf") == 75s);
  CHECK(c.iperf.udp_duration == 0s);
  CHECK(c.iperf.udp_bitrate_bps == 20'000'000);
  CHECK(c.upload_bytes == 1024);
  CHECK(c.influx->target.version == InfluxVersion::v2);
  CHECK(c.influx->spool == "/x");
  CHECK(c.csv == "rows.csv");
  CHECK(c.listen->port == 9000);
  check_qos_config(c);
}

TEST_CASE("17 mistakes are named with their line") {
  CHECK(refusal("evry: 1s\n").starts_with(":1: unknown key 'evry' (known here: "));
  CHECK(refusal("every: soon\n").starts_with(":1: "));
  CHECK(refusal("targets:\n  - {ping: x}\n") == ":2: a target has no name");
  CHECK(refusal("every: 1s\n").starts_with("qos: nothing to probe"));
  CHECK(refusal("targets: [{name: a, ping: x}, {name: a, ping: y}]\n") ==
        "qos: two targets are named 'a'");
  CHECK(refusal("targets: [{name: a, http: 'ftp://x/'}]\n") ==
        "target a: the scheme is not http or https");
  CHECK(refusal("targets: [{name: a, ping: x}]\ninflux: {url: 'http://x'}\n") ==
        "influx: database, or org and bucket missing");
  CHECK(refusal("targets: [{name: a, ping: x}]\ninflux: {database: lab, spool: /x}\n")
            .starts_with("qos: InfluxDB has settings but no URL (give --influx-url, "));
}

TEST_CASE("17 a probe that the environment or a flag names replaces those of the file") {
  const std::string file =
      "targets:\n"
      "  - {name: lab, ping: 198.18.0.2, iperf: 198.18.0.2}\n"
      "  - {name: six, ping: 'fd00::1'}\n";
  QosConfig c = read_text(file);
  apply_target(c, {"198.18.0.9", "", "http://198.18.0.9/"});
  check_qos_config(c);
  CHECK(targets_of(c, "ping") == std::vector<std::string>{"198.18.0.9"});
  CHECK(targets_of(c, "iperf") == std::vector<std::string>{"lab"});
  CHECK(targets_of(c, "http") == std::vector<std::string>{"198.18.0.9"});
  CHECK(c.targets.size() == 2);
  c = read_text(file);
  apply_target(c, {});
  CHECK(targets_of(c, "ping") == std::vector<std::string>{"lab", "six"});
}

TEST_CASE("17 a target that is named like one of the file takes over its other probes") {
  QosConfig c =
      read_text("targets: [{name: x, ping: y, iperf: 'y:5202', http: {download: 'http://y/'}}]\n");
  apply_target(c, {"x", "", ""});
  check_qos_config(c);
  REQUIRE(c.targets.size() == 1);
  CHECK(c.targets[0].ping == "x");
  CHECK(c.targets[0].iperf_server == "y");
  CHECK(c.targets[0].iperf_port == 5202);
  CHECK(c.targets[0].http_download_url == "http://y/");
}

TEST_CASE("17 a flag wins over its variable, and both name one target") {
  TargetWords words{"127.0.0.1", "", ""};
  complete_from_environment(
      words, environment_of({{"QOS_PING", "127.0.0.2"}, {"QOS_HTTP", "http://127.0.0.1/"}}));
  QosConfig c;
  apply_target(c, words);
  check_qos_config(c);
  REQUIRE(c.targets.size() == 1);
  CHECK(c.targets[0].ping == "127.0.0.1");
  CHECK(c.targets[0].http_ping_url == "http://127.0.0.1/");
}

TEST_CASE("19 the environment names a target and gives secrets, and names itself in mistakes") {
  const Environment environment = environment_of({{"QOS_PING", "198.18.0.2"},
                                                  {"QOS_EVERY", "10s"},
                                                  {"INFLUXDB_ORG", "o"},
                                                  {"INFLUXDB_URL", "http://x:8086"},
                                                  {"INFLUXDB_TOKEN", "t0ken"},
                                                  {"INFLUXDB_BUCKET", "b"}});
  QosConfig c;
  TargetWords words;
  apply_environment(c, environment);
  complete_from_environment(words, environment);
  apply_target(c, words);
  check_qos_config(c);
  CHECK(c.targets.at(0).name == "198.18.0.2");
  CHECK(c.every_http == 10s);
  CHECK(c.influx->target.token.reveal() == "t0ken");
  CHECK_THROWS_WITH_AS(apply_environment(c,
                                         [](const std::string& name) {
                                           return name == "QOS_EVERY"
                                                      ? std::optional<std::string>{"soon"}
                                                      : std::nullopt;
                                         }),
                       doctest::Contains("$QOS_EVERY: "), UsageError);
}
}  // namespace tl::live_qos_config_test
