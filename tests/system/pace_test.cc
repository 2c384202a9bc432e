// Tests 12, 13 and 15 of the telemetry reference against Debian's Prometheus and node_exporter.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/fd.hh"
#include "pace/config_writer.hh"
#include "pace/prometheus_answer.hh"
#include "support/monitored.hh"
#include "support/processes.hh"
#include "support/temporary.hh"

namespace tl::pace_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::istringstream text{read_file(path)};
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

Argv pace_command(const Server& prometheus, const std::string& verb, const Argv& more) {
  Argv argv{TL_PROGRAM, "pace", verb, "--url", prometheus.url()};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

const nlohmann::json& metric_of(const nlohmann::json& report, const std::string& query) {
  for (const auto& metric : report["metrics"])
    if (metric["query"] == query) return metric;
  throw std::runtime_error{"no report of " + query};
}

}  // namespace

TEST_CASE("15 the baseline logs each poll in the four columns, and a second run appends") {
  const MonitoredNode node{every_second_config()};
  const TemporaryFolder folder;
  const std::string csv = folder.path() / "pace.csv";
  const std::string sum = R"(sum by (job, instance) (up{job="node"}))";
  for (int run = 0; run < 2; ++run)
    (void)must_run(pace_command(node.prometheus(), "baseline",
                                {"--metric", "up", "--metric", sum, "--interval", "1s",
                                 "--duration", "3500ms", "--csv", csv}),
                   20s);
  const auto lines = lines_of(csv);
  CHECK(lines[0] == "Timestamp,Metric,Bandwidth (Mbps),Data Size (KB)\r");
  CHECK(std::count(lines.begin(), lines.end(), lines[0]) == 1);
  CHECK(lines.size() == 1 + 2 * 2 * 4);  // at 0, 1, 2 and 3 s
  const std::string quoted = R"x(,"sum by (job, instance) (up{job=""node""})",)x";
  CHECK(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
          return line.find(quoted) != std::string::npos;
        }) == 8);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const double kilobytes = std::stod(lines[i].substr(lines[i].rfind(',') + 1));
    CHECK(kilobytes > 0.2);  // an answer of about 150 bytes, twice 100 and more of headers
    CHECK(kilobytes < 1);
  }
}

TEST_CASE("15 the bytes of the log are those that tcpdump sees on the wire") {
  const MonitoredNode node{every_second_config()};
  const TemporaryFolder folder;
  const std::string csv = folder.path() / "pace.csv", capture = folder.path() / "lo.pcap";
  const UniqueFd errors = open_fd(folder.path() / "errors", O_WRONLY | O_CREAT);
  ChildOptions options;
  options.stderr_fd = errors.get();
  const std::string filter = "tcp port " + std::to_string(node.prometheus().port());
  Child tcpdump{
      {"tcpdump", "-Z", "root", "--immediate-mode", "-i", "lo", "-U", "-w", capture, filter},
      options};
  REQUIRE(eventually(
      [&] { return read_file(folder.path() / "errors").find("listening") != std::string::npos; },
      10s));
  (void)must_run(pace_command(node.prometheus(), "baseline",
                              {"--metric", "up", "--metric", "sum(node_load1)", "--interval", "1s",
                               "--duration", "2500ms", "--csv", csv, "--extended"}),
                 20s);
  std::uint64_t logged = 0;
  const auto lines = lines_of(csv);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    std::istringstream cells{lines[i]};
    std::string cell;
    for (int column = 0; std::getline(cells, cell, ','); ++column)
      if (column >= 4 && column <= 6) logged += std::stoull(cell);
  }
  const auto on_the_wire = [&] {  // lines end in "tcp BYTES"
    std::istringstream packets{must_run({"tcpdump", "-nn", "-q", "-r", capture}, 10s)};
    std::uint64_t bytes = 0;
    for (std::string line; std::getline(packets, line);)
      if (const auto at = line.rfind("tcp "); at != std::string::npos)
        bytes += std::stoull(line.substr(at + 4));
    return bytes;
  };
  CHECK(lines.size() == 7);
  CHECK(eventually([&] { return on_the_wire() >= logged; }, 10s));
  CHECK(on_the_wire() == logged);
  (void)tcpdump.terminate(5s);
}

TEST_CASE("15 a poll that nobody answers is a row without bandwidth, and the end inconclusive") {
  const TemporaryFolder folder;
  const std::string csv = folder.path() / "pace.csv";
  const auto result =
      run_command({TL_PROGRAM, "pace", "baseline", "--url", "http://127.0.0.1:1", "--metric", "up",
                   "--interval", "1s", "--duration", "1500ms", "--csv", csv},
                  20s);
  CHECK(result.status.code == 3);
  CHECK(result.err.find("no poll was answered (up: Failed to connect") != std::string::npos);
  const auto lines = lines_of(csv);
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].ends_with(",up,,0.000000\r"));
}

TEST_CASE(
    "15 a metric that is never answered, beside one that is: report with reason, and exit 3") {
  const MonitoredNode node{every_second_config()};
  const TemporaryFolder folder;
  const std::string report_file = folder.path() / "report.json";
  for (const char* verb : {"baseline", "adaptive"}) {
    const auto result = run_command(
        pace_command(node.prometheus(), verb,
                     {"--metric", "up", "--metric", "bad((", "--interval", "1s", "--duration",
                      "1500ms", "--csv", folder.path() / "pace.csv", "--report", report_file}),
        20s);
    CHECK(result.status.code == 3);
    CHECK(result.err.find("1 of 2 metrics were never answered (bad((: HTTP 400: ") !=
          std::string::npos);
    CHECK(result.err.find("\n  last error: HTTP 400: ") != std::string::npos);
    const auto report = nlohmann::json::parse(read_file(report_file));
    CHECK(metric_of(report, "up")["last_error"].is_null());
    CHECK(metric_of(report, "bad((")["last_error"].get<std::string>().starts_with("HTTP 400: "));
  }
}

TEST_CASE("13 live: two runs keep every stored sample exactly once") {
  const MonitoredNode node{every_second_config()};
  const TemporaryFolder folder;
  const std::string samples = folder.path() / "samples.csv";
  for (int run = 0; run < 2; ++run) {
    Child child{pace_command(node.prometheus(), "adaptive",
                             {"--metric", "node_time_seconds", "--csv", folder.path() / "pace.csv",
                              "--samples", samples})};
    const std::size_t before = run == 0 ? 0 : lines_of(samples).size();
    const auto has_more = [&] {
      return std::filesystem::exists(samples) && lines_of(samples).size() >= before + 6;
    };
    CHECK(eventually(has_more, 20s));
    child.signal(SIGINT);
    const auto status = child.wait(10s);
    REQUIRE(status);
    CHECK(status->ok());
    if (run == 0)  // a few scrapes that no run sees
      (void)eventually(
          [&, from = node.query("node_time_seconds[20s]").size()] {
            return node.query("node_time_seconds[20s]").size() > from + 90;
          },
          20s);
  }
  const auto lines = lines_of(samples);
  const auto stored = pace::parse_query_answer(node.query("node_time_seconds[10m]"));
  REQUIRE(stored.series.size() == 1);
  const auto& truth = stored.series[0].samples;
  REQUIRE(lines.size() >= 12);
  REQUIRE(truth.size() >= lines.size() - 1);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    CHECK(lines[i].starts_with(std::to_string(truth[i - 1].time_ns / 1'000'000) + ","));
    CHECK(lines[i].ends_with("," + truth[i - 1].value + "\r"));
  }
}

TEST_CASE("12 live: a periodic series is five times fresher, a constant one 85 % cheaper") {
  const MonitoredNode node{every_second_config()};
  const auto has_history = [&] {
    const auto stored = pace::parse_query_answer(node.query("node_time_seconds[1m]"));
    return !stored.series.empty() && stored.series[0].samples.size() >= 16;
  };
  REQUIRE(eventually(has_history, 40s));
  const TemporaryFolder folder;
  const std::string report_file = folder.path() / "report.json";
  (void)must_run(
      pace_command(node.prometheus(), "adaptive",
                   {"--metric", "node_time_seconds", "--metric", "node_boot_time_seconds",
                    "--interval", "1s", "--min", "500ms", "--max", "120s", "--duration", "32s",
                    "--csv", folder.path() / "pace.csv", "--report", report_file}),
      60s);
  const auto report = nlohmann::json::parse(read_file(report_file));
  const auto& periodic = metric_of(report, "node_time_seconds");
  CHECK(periodic["staleness"]["changes"].get<int>() >= 25);
  CHECK(5 * periodic["staleness"]["mean_ns"].get<std::int64_t>() <=
        periodic["fixed_at_equal_bytes"]["mean_ns"].get<std::int64_t>());
  const auto& constant = metric_of(report, "node_boot_time_seconds");
  CHECK(constant["changes"] == 0);
  CHECK(constant["fixed"]["saved_percent"].get<double>() >= 85);
}

namespace {

// Two jobs on one node_exporter: "paced" is to be edited, "other" not.
const std::string kTwoJobs =
    "# kept comment\n"
    "global:\n"
    "  scrape_interval: 1s\n"
    "scrape_configs:\n"
    "  - job_name: paced  # by trafficlab\n"
    "    scrape_timeout: 1s\n"
    "    static_configs: [{targets: [\"{node}\"]}]\n"
    "  - job_name: other\n"
    "    scrape_interval: 2s\n"
    "    static_configs: [{targets: [\"{node}\"]}]\n";

bool is_loaded(const MonitoredNode& node, const std::string& part) {
  return http_get(node.prometheus().port(), "/api/v1/status/config").body.find(part) !=
         std::string::npos;
}

Argv scrape(const MonitoredNode& node, const std::string& metric, const Argv& more) {
  Argv argv = pace_command(node.prometheus(), "scrape",
                           {"--prometheus-yml", node.config_file(), "--job", "paced", "--metric",
                            metric + "{job=\"paced\"}", "--between", "1s", "--min", "1s"});
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

// The newest distance of two samples of the job, in whole seconds: Prometheus moves a sample to
// its tick only when the scrape began within 2 ms of it (scrape/scrape.go,
// ScrapeTimestampTolerance).
std::chrono::seconds latest_gap(const MonitoredNode& node, const std::string& job) {
  const auto answer =
      pace::parse_query_answer(node.query("node_boot_time_seconds{job=\"" + job + "\"}[1m]"));
  if (answer.series.empty() || answer.series[0].samples.size() < 2) return 0s;
  const auto& samples = answer.series[0].samples;
  return std::chrono::round<std::chrono::seconds>(
      std::chrono::nanoseconds{samples.back().time_ns - samples[samples.size() - 2].time_ns});
}

}  // namespace

TEST_CASE(
    "14 live: a constant metric slows its job's scrapes, and nothing else in the file changes") {
  const MonitoredNode node{kTwoJobs};
  const std::string before = read_file(node.config_file());
  Child child{scrape(node, "node_boot_time_seconds", {"--max", "4s"})};
  CHECK(eventually([&] { return is_loaded(node, "scrape_interval: 4s"); }, 60s));
  CHECK(eventually([&] { return latest_gap(node, "paced") == 4s; }, 30s));
  CHECK(eventually([&] { return latest_gap(node, "other") == 2s; }, 30s));
  child.signal(SIGINT);
  const auto status = child.wait(10s);
  CHECK((status && status->ok()));
  std::string expected = before;
  const std::string line = "- job_name: paced  # by trafficlab\n";
  expected.insert(expected.find(line) + line.size(), "    scrape_interval: 4s\n");
  CHECK(read_file(node.config_file()) == expected);
}

TEST_CASE("14 live: a metric that moves in every scrape quickens its job, the timeout goes along") {
  std::string config = kTwoJobs;
  config.replace(config.find("scrape_timeout: 1s"), 18,
                 "scrape_interval: 2s\n    scrape_timeout: 2s");
  const MonitoredNode node{config};
  Child child{scrape(node, "node_time_seconds", {"--max", "4s", "--move", "0"})};
  const auto is_edited = [&] {
    return read_file(node.config_file()).find("scrape_interval: 1s\n    scrape_timeout: 1s") !=
           std::string::npos;
  };
  CHECK(eventually(is_edited, 60s));
  CHECK(eventually([&] { return latest_gap(node, "paced") == 1s; }, 30s));
  child.signal(SIGINT);
  const auto status = child.wait(10s);
  CHECK((status && status->ok()));
}

TEST_CASE("14 an edit that promtool or Prometheus refuses leaves file and server as they were") {
  const MonitoredNode node{every_second_config()};
  const std::string before = read_file(node.config_file());
  pace::PrometheusTarget target;
  target.url = node.prometheus().url();
  pace::Prometheus server{target};
  pace::ConfigWriter careful{node.config_file(), server};
  CHECK(careful.apply(before, before + "    scrape_timeout: 5s\n") ==
        pace::ConfigWriter::Result::refused);
  CHECK(careful.reason().find("timeout") != std::string::npos);
  CHECK(read_file(node.config_file()) == before);
  // With a checker that lets everything pass it is Prometheus that refuses.
  pace::ConfigWriter careless{node.config_file(), server, "true"};
  CHECK(careless.apply(before, before + "    scrape_timeout: 5s\n") ==
        pace::ConfigWriter::Result::refused);
  CHECK(careless.reason().find("HTTP 500") != std::string::npos);
  CHECK(read_file(node.config_file()) == before);
  CHECK(eventually(
      [&] {
        return node.query("up").find("\"1\"]") != std::string::npos &&
               http_get(node.prometheus().port(), "/metrics")
                       .body.find("prometheus_config_last_reload_successful 1") !=
                   std::string::npos;
      },
      10s));
}

TEST_CASE("14 nothing is written for an equal text, over another's edit, or in a dry run") {
  const MonitoredNode node{every_second_config()};
  const std::string before = read_file(node.config_file());
  const auto written = std::filesystem::last_write_time(node.config_file());
  pace::PrometheusTarget target;
  target.url = node.prometheus().url();
  pace::Prometheus server{target};
  pace::ConfigWriter writer{node.config_file(), server};
  CHECK(writer.apply(before, before) == pace::ConfigWriter::Result::unchanged);
  CHECK(writer.apply(before + "#", before) == pace::ConfigWriter::Result::changed_by_others);
  Argv dry =
      pace_command(node.prometheus(), "scrape",
                   {"--prometheus-yml", node.config_file(), "--job", "node", "--metric",
                    "node_boot_time_seconds", "--dry-run", "--between", "1s", "--duration", "14s"});
  const std::string out = must_run(dry, 40s);
  CHECK(out.find("job node: scrape_interval 1s -> 2s (not written: dry run)") != std::string::npos);
  CHECK(std::filesystem::last_write_time(node.config_file()) == written);
  CHECK(read_file(node.config_file()) == before);
}
}  // namespace tl::pace_test
