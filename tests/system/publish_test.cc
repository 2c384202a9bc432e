// `trafficlab run --push-url --influx-url` against the real servers.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>

#include "support/databases.hh"
#include "support/lab_run.hh"
#include "support/processes.hh"

namespace tl::publish_test {
using namespace tl::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

Argv publishing_run(const Argv& more) {
  Argv argv{"--engine", "netns", "--duration", "1s"};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

Server::Command pushgateway() {
  return [](std::uint16_t port, const std::string&) {
    return Argv{"prometheus-pushgateway", "--web.listen-address=127.0.0.1:" + std::to_string(port),
                "--persistence.file="};
  };
}

// The value of a metric in the bundle's metrics.json.
double metric_of(const std::filesystem::path& bundle, const std::string& name) {
  const json document = read_json(bundle / "metrics.json");
  for (const json& metric : document.at("metrics"))
    if (metric.at("name") == name) return metric.at("value").get<double>();
  throw std::runtime_error{"no metric " + name};
}

std::size_t measured_metrics(const std::filesystem::path& bundle) {
  std::size_t count = 0;
  const json document = read_json(bundle / "metrics.json");
  for (const json& metric : document.at("metrics")) count += metric.at("value").is_number() ? 1 : 0;
  return count;
}

// The value at the end of the page's line that begins with `start`.
double value_on_page(const std::string& page, const std::string& start) {
  const std::size_t at = page.find("\n" + start);
  REQUIRE(at != std::string::npos);
  const std::size_t end = page.find('\n', at + 1);
  return std::stod(page.substr(page.rfind(' ', end) + 1));
}

}  // namespace

TEST_CASE("run publishes its metrics with its id to the Pushgateway and InfluxDB") {
  const TemporaryFolder folder;
  const Server gateway{pushgateway(), "/-/ready"};
  const InfluxDatabase database{"auth-enabled = true"};
  (void)database.execute("CREATE USER lab WITH PASSWORD 'open-sesame' WITH ALL PRIVILEGES");
  (void)database.execute("CREATE DATABASE runs", "lab", "open-sesame");
  ::setenv("INFLUXDB_USER", "lab", 1);
  ::setenv("INFLUXDB_PASSWORD", "open-sesame", 1);
  const LabRun run = run_lab(
      folder.path(),
      publishing_run({"--name", "cubic", "--push-url", gateway.url(), "--influx-url",
                      database.url(), "--influx-version", "1", "--influx-database", "runs"}));
  ::unsetenv("INFLUXDB_USER");
  ::unsetenv("INFLUXDB_PASSWORD");
  CAPTURE(run.err);
  REQUIRE(run.status.code == 0);
  const std::string run_id = run.manifest.at("run_id");
  const double goodput = metric_of(run.bundle, "goodput");

  const std::string page = http_get(gateway.port(), "/metrics").body;
  CHECK(value_on_page(page,
                      "trafficlab_run_goodput_bytes_per_second{direction=\"client_to_server\","
                      "experiment=\"cubic\",instance=\"127.0.0.1\",job=\"trafficlab_run\","
                      "run_id=\"" +
                          run_id + "\"}") *
            8 ==
        goodput);
  CHECK(page.find("trafficlab_run_info{experiment=\"cubic\",instance=\"127.0.0.1\","
                  "job=\"trafficlab_run\",run_id=\"" +
                  run_id + "\",verdict=\"pass\"} 1\n") != std::string::npos);
  const CommandResult lint = run_command({"promtool", "check", "metrics"}, 30s, page);
  CAPTURE(lint.err);
  CHECK((lint.out + lint.err).find("trafficlab_run") == std::string::npos);

  const json answer =
      database.execute("SELECT goodput FROM runs..trafficlab_run WHERE run_id = '" + run_id + "'",
                       "lab", "open-sesame");
  CAPTURE(answer.dump());
  const json& row = answer["results"][0]["series"][0]["values"][0];
  CHECK(row[1].get<double>() == goodput);
  for (const auto& file : std::filesystem::recursive_directory_iterator{run.bundle})
    if (file.is_regular_file())
      CHECK(read_file(file.path()).find("open-sesame") == std::string::npos);
}

TEST_CASE("run publishes every metric that was measured to VictoriaMetrics") {
  const TemporaryFolder folder;
  const VictoriaMetrics database;
  const LabRun run =
      run_lab(folder.path(), publishing_run({"--influx-url", database.url(), "--influx-version",
                                             "1", "--influx-database", "runs"}));
  CAPTURE(run.err);
  REQUIRE(run.status.code == 0);
  const std::string run_id = run.manifest.at("run_id");
  std::map<std::string, double> stored;
  REQUIRE(eventually(
      [&] {
        stored.clear();
        for (const json& series : database.exported())
          if (series["metric"].value("run_id", "") == run_id)
            stored[series["metric"]["__name__"]] = series["values"][0].get<double>();
        return stored.size() >= measured_metrics(run.bundle) + 2;
      },
      20s));
  CHECK(stored["trafficlab_run_goodput"] == doctest::Approx(metric_of(run.bundle, "goodput")));
  CHECK(stored["trafficlab_run_success"] == 1);
}

TEST_CASE("run --repeat publishes each of its runs under its own id") {
  const TemporaryFolder folder;
  const Server gateway{pushgateway(), "/-/ready"};
  const LabRun series =
      run_lab(folder.path(),
              publishing_run({"--repeat", "2", "--warmup", "0", "--push-url", gateway.url()}));
  CAPTURE(series.err);
  REQUIRE(series.status.code == 0);
  const std::string page = http_get(gateway.port(), "/metrics").body;
  for (const json& run : series.manifest.at("runs")) {
    const auto bundle = series.bundle / run.at("bundle").get<std::string>();
    const std::string run_id = read_json(bundle / "manifest.json").at("run_id");
    CHECK(value_on_page(page,
                        "trafficlab_run_goodput_bytes_per_second{direction=\"client_to_server\","
                        "experiment=\"run\",instance=\"127.0.0.1\",job=\"trafficlab_run\","
                        "run_id=\"" +
                            run_id + "\"}") *
              8 ==
          metric_of(bundle, "goodput"));
  }
}

TEST_CASE("run: a server that is away costs the exit code and not the bundle") {
  const TemporaryFolder folder, spool;
  const std::string nobody = "http://127.0.0.1:" + std::to_string(free_port());
  const LabRun run = run_lab(
      folder.path(),
      publishing_run({"--push-url", nobody, "--influx-url", nobody, "--influx-version", "1",
                      "--influx-database", "runs", "--influx-spool", spool.path().native()}));
  CAPTURE(run.err);
  CHECK(run.status.code == 4);
  CHECK(run.manifest.at("outcome").at("verdict") == "pass");
  CHECK(run.err.find("push to " + nobody) != std::string::npos);
  CHECK(run.err.find("kept in " + spool.path().native()) != std::string::npos);

  // The next run delivers both.
  const VictoriaMetrics database;
  const LabRun next = run_lab(
      folder.path() / "next",
      publishing_run({"--influx-url", database.url(), "--influx-version", "1", "--influx-database",
                      "runs", "--influx-spool", spool.path().native()}));
  CHECK(next.status.code == 0);
  const auto has = [&](const std::string& run_id) {
    for (const json& series : database.exported())
      if (series["metric"].value("run_id", "") == run_id) return true;
    return false;
  };
  CHECK(eventually([&] { return has(run.manifest.at("run_id")); }, 20s));
  CHECK(eventually([&] { return has(next.manifest.at("run_id")); }, 20s));
}

TEST_CASE("run: a destination that cannot work is refused before anything is built") {
  const TemporaryFolder folder;
  const auto refusal = [&](const Argv& more) {
    const LabRun run = run_lab(folder.path(), publishing_run(more));
    CHECK(run.status.code == 2);
    CHECK(run.bundle.empty());
    return run.err;
  };
  CHECK(refusal({"--push-url", "http://lab:secret@127.0.0.1"}).find("secret") == std::string::npos);
  CHECK(refusal({"--influx-url", "http://127.0.0.1:1", "--influx-version", "1"}).find("database") !=
        std::string::npos);
  CHECK(refusal({"--push-url", "http://127.0.0.1:1", "--push-user", "lab"}).find("PUSH_PASSWORD") !=
        std::string::npos);
  CHECK(refusal({"--push-url", "http://127.0.0.1:1", "--push-group", "nonsense"})
            .find("NAME=VALUE") != std::string::npos);
}
}  // namespace tl::publish_test
