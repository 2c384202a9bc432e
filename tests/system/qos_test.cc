// Tests 1, 2, 5, 8, 16 and 18 of the telemetry reference: the program's probes between two network
// namespaces, with a real web server, iperf server and database.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/netns.hh"
#include "probe/http_probe.hh"
#include "support/certificates.hh"
#include "support/databases.hh"
#include "support/fake_server.hh"
#include "support/far_servers.hh"
#include "support/processes.hh"
#include "support/veth_pair.hh"

namespace tl::qos_test {
using namespace tl::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

std::string write_config(const TemporaryFolder& folder, const std::string& text) {
  const std::string path = (folder.path() / "qos.yaml").native();
  std::ofstream{path} << text;
  return path;
}

constexpr const char* kProbes =
    "ping: {count: 3, interval: 20ms, timeout: 300ms}\n"
    "iperf: {duration: 1s, udp_duration: 1s}\n"
    "http: {ping_timeout: 1s, download_timeout: 2s, upload_timeout: 2s}\n";
constexpr const char* kLab =
    "  - {name: lab, ping: 198.18.0.2, iperf: 198.18.0.2, http: {ping: 'http://198.18.0.2/page', "
    "download: 'http://198.18.0.2/page', upload: 'http://198.18.0.2/upload'}}\n";

std::string influx_lines(const InfluxDatabase& database) {
  return "influx: {url: '" + database.url() + "', version: 1, database: lab}\n";
}

// The rows printed with --json, by "probe target".
std::map<std::string, json> printed_rows(const std::string& out) {
  std::map<std::string, json> rows;
  std::istringstream lines{out};
  for (std::string line; std::getline(lines, line);) {
    const json row = json::parse(line);
    rows[row["probe"].get<std::string>() + " " + row["target"].get<std::string>()] = row;
  }
  return rows;
}

// Of the lines "trafficlab qos: PROBE: pid 4711".
std::set<pid_t> reported_pids(const std::string& text) {
  std::set<pid_t> pids;
  for (std::size_t at = text.find(": pid "); at != std::string::npos;
       at = text.find(": pid ", at + 1))
    pids.insert(std::stoi(text.substr(at + 6)));
  return pids;
}

// Not ended; one that ended and was not yet waited for by its new parent has.
bool is_running(pid_t pid) {
  const std::string stat = read_value("/proc/" + std::to_string(pid) + "/stat", "");
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && stat.substr(name_end + 2, 1) != "Z";
}

CommandResult qos_once(const std::string& config, std::vector<std::string> more = {}) {
  Argv argv{TL_PROGRAM, "qos", "--config", config, "--once", "--json"};
  argv.insert(argv.end(), more.begin(), more.end());
  return run_command(argv, 60s);
}

}  // namespace

TEST_CASE("1 failures, then successes, then failures: no field changes its type in InfluxDB") {
  const VethPair pair;
  pair.left.run([&] {
    const InfluxDatabase database;
    const TemporaryFolder folder;
    const std::string config =
        write_config(folder, std::string{kProbes} + influx_lines(database) + "targets:\n" + kLab);
    const auto round = [&](std::vector<std::string> more) {
      const CommandResult result = qos_once(config, std::move(more));
      CAPTURE(result.err);
      CHECK(result.err.find("3 points written, 0 rejected, 0 dropped, 0 waiting") !=
            std::string::npos);
      return result.status.code;
    };
    CHECK(round({}) == 5);
    CHECK(round({"--compat"}) == 5);
    {
      const FarServers servers{pair.right};
      CHECK(round({}) == 0);
      CHECK(round({"--compat"}) == 0);
    }
    CHECK(round({}) == 5);
    CHECK(database.rows("SELECT count(ping_packet_loss_pct), count(http_status_code) "
                        "FROM qos_metrics WHERE target = 'lab'")[0] == json{0, 5, 5});
    // Absent where nothing was measured; zeros only from the compatible round.
    CHECK(database.rows("SELECT count(iperf_bandwidth_mbps) FROM qos_metrics")[0][1] == 3);
    CHECK(database.rows("SELECT count(iperf_bandwidth_mbps) FROM qos_metrics "
                        "WHERE iperf_bandwidth_mbps > 0")[0][1] == 2);
  });
}

TEST_CASE("2 each way to fail is a row with its reason and without good numbers") {
  const VethPair pair;
  pair.left.run([&] {
    const FarServers servers{pair.right};
    // The far side does not forward: what goes there is never answered.
    (void)must_run({"ip", "route", "add", "198.18.1.0/24", "via", "198.18.0.2"}, 10s);
    const TemporaryFolder folder;
    const std::string config = write_config(
        folder, std::string{kProbes} + "targets:\n" + kLab +
                    "  - {name: no-route, ping: 203.0.113.1, http: 'http://203.0.113.1/'}\n"
                    "  - {name: silent, ping: 198.18.1.99}\n"
                    "  - {name: unknown, ping: no-such-host.invalid}\n"
                    "  - {name: refused, iperf: '198.18.0.2:9', http: 'http://198.18.0.2:9/'}\n"
                    "  - {name: missing, http: {download: 'http://198.18.0.2/missing'}}\n");
    const CommandResult result = qos_once(config);
    CHECK(result.status.code == 5);
    auto rows = printed_rows(result.out);
    REQUIRE(rows.size() == 10);
    for (auto& [name, row] : rows) {
      CAPTURE(row.dump());
      const bool is_lab = row["target"] == "lab";
      CHECK(row["success"] == is_lab);
      CHECK(row["error"].get<std::string>().empty() == is_lab);
      for (const char* field :
           {"ping_avg_ms", "ping_jitter_ms", "iperf_bandwidth_mbps", "iperf_jitter_ms",
            "http_ping_ms", "http_download_ms", "http_download_bytes", "http_upload_ms"}) {
        const bool is_of_probe = std::string{field}.starts_with(row["probe"].get<std::string>());
        CHECK(row["fields"].contains(field) == (is_lab && is_of_probe));
      }
      if (!is_lab && row["probe"] == "ping") CHECK(row["fields"]["ping_packet_loss_pct"] == 100);
    }
    CHECK(rows["http missing"]["fields"]["http_download_status"] == 404);
    CHECK(rows["http refused"]["fields"]["http_status_code"] == -1);
    CHECK(rows["http lab"]["fields"]["http_download_bytes"] == 100'000);
    CHECK(rows["http lab"]["fields"]["http_upload_bytes"] == 102'400);
    CHECK(rows["iperf lab"]["fields"]["iperf_bandwidth_mbps"] > 10);
    CHECK(rows["iperf lab"]["fields"]["iperf_packets"] > 100);
  });
}

TEST_CASE("16 an HTTP exchange has the sizes and statuses that curl reports") {
  const VethPair pair;
  pair.left.run([&] {
    const FarServers servers{pair.right};
    const auto curl = [](const Argv& more) {
      Argv argv{"curl",      "-s", "-o",
                "/dev/null", "-w", "%{http_code} %{size_download} %{size_upload}"};
      argv.insert(argv.end(), more.begin(), more.end());
      return must_run(argv, 20s);
    };
    const auto described = [](const HttpOutcome& outcome) {
      return std::to_string(outcome.status) + " " + std::to_string(outcome.downloaded_bytes) + " " +
             std::to_string(outcome.uploaded_bytes);
    };
    const HttpOutcome page = http_get("http://198.18.0.2/page");
    CHECK(described(page) == "200 100000 0");
    CHECK(curl({"http://198.18.0.2/page"}) == described(page));
    CHECK(page.address == "198.18.0.2");
    CHECK(page.phases.tls == 0us);
    // curl leaves the redirect's own body out.
    CHECK(http_get("http://198.18.0.2/moved").downloaded_bytes >= 100'000);
    const TemporaryFolder folder;
    std::ofstream{folder.path() / "body"} << std::string(1'000'000, 'u');
    const HttpOutcome upload = http_upload("http://198.18.0.2/upload", 1'000'000);
    CHECK(upload.error == "");
    CHECK(curl({"-X", "POST", "--data-binary", "@" + (folder.path() / "body").native(),
                "http://198.18.0.2/upload"}) == described(upload));
    CHECK(upload.phases.send > 0us);
    CHECK(upload.phases.processing > 0us);
    const HttpOutcome refused = http_upload("http://198.18.0.2/page", 1000);  // a file takes none
    CHECK(refused.status == 405);
    CHECK_FALSE(refused.ok());
  });
}

TEST_CASE("16 19 HTTPS: the handshake is a phase, an unknown authority is a failure") {
  const VethPair pair;
  pair.left.run([&] {
    const FarServers servers{pair.right};
    HttpProbeOptions options;
    const HttpOutcome unknown = http_get("https://198.18.0.2/", options);
    CHECK(unknown.status == 0);
    CHECK(unknown.error.find("certificate") != std::string::npos);
    options.ca_file = servers.certificates().path("ca.pem");
    const HttpOutcome known = http_get("https://198.18.0.2/", options);
    CHECK(known.error == "");
    CHECK(known.status == 200);
    CHECK(known.downloaded_bytes == 5);
    CHECK(known.phases.tls > 0us);
    const HttpOutcome upload = http_upload("https://198.18.0.2/", 100'000, options);
    CHECK(upload.uploaded_bytes == 100'000);
    CHECK(upload.phases.tls > 0us);
  });
}

TEST_CASE("16 slow, broken, hasty and endless answers each have defined numbers") {
  const auto answering = [](FakeAnswer answer) {
    answer.status = answer.status == 204 ? 200 : answer.status;
    return std::make_unique<FakeServer>(
        [answer](const FakeRequest&, std::size_t) { return answer; });
  };
  HttpProbeOptions options;
  options.timeout = 500ms;
  options.most_bytes = 1000;
  {
    FakeAnswer slow;
    slow.body = "done";
    slow.after = 200ms;
    const HttpOutcome outcome = http_get(answering(slow)->url(), options);
    CHECK(outcome.ok());
    CHECK(outcome.phases.processing >= 190ms);
    CHECK(outcome.phases.total() >= outcome.phases.processing);
    CHECK(outcome.downloaded_bytes == 4);
  }
  FakeAnswer chunked, endless, drip, reset, method;
  chunked.chunked = endless.without_length = true;
  chunked.body = "chunk";
  endless.body = std::string(5000, 'x');
  drip.body = std::string(100, 'x');
  drip.between_bytes = 50ms;
  reset.reset = true;
  method.status = 405;
  CHECK(http_get(answering(chunked)->url(), options).downloaded_bytes == 5);
  CHECK(http_get(answering(endless)->url(), options).error ==
        "the answer is longer than 1000 bytes");
  CHECK_FALSE(http_get(answering(drip)->url(), options).ok());
  CHECK(http_get(answering(reset)->url(), options).status == 0);
  const HttpOutcome refused = http_upload(answering(method)->url(), 1000, options);
  CHECK(refused.status == 405);
  CHECK_FALSE(refused.ok());
  FakeServer early;
  CHECK_FALSE(http_upload(early.url() + "/early", 50'000'000, options).ok());
}

TEST_CASE("18 three processes, restarted when killed; Ctrl-C ends all and delivers every row") {
  const VethPair pair;
  pair.left.run([&] {
    const InfluxDatabase database;
    const FarServers servers{pair.right};
    const TemporaryFolder folder;
    const std::string config =
        write_config(folder, std::string{kProbes} + influx_lines(database) + "targets:\n" + kLab);
    const auto out = folder.path() / "out", err = folder.path() / "err";
    const UniqueFd out_fd = open_fd(out, O_WRONLY | O_CREAT | O_APPEND);
    const UniqueFd err_fd = open_fd(err, O_WRONLY | O_CREAT | O_APPEND);
    ChildOptions options;
    options.stdout_fd = out_fd.get();
    options.stderr_fd = err_fd.get();
    const std::uint16_t port = free_port();
    Child qos{{TL_PROGRAM, "qos", "--config", config, "--every", "3s", "--json", "--listen",
               "127.0.0.1:" + std::to_string(port)},
              options};
    REQUIRE(eventually([&] { return printed_rows(read_file(out)).size() == 3; }, 30s));
    const auto told = reported_pids(read_file(err));
    CHECK(told.size() == 3);
    for (const pid_t pid : told) CHECK(is_running(pid));
    const pid_t ping = descendants(qos.pid(), "ping").front();
    REQUIRE(::kill(ping, SIGKILL) == 0);  // a child of the program started above
    CHECK(eventually(
        [&] {
          return read_file(err).find("ping: ended with signal 9 (Killed); started again in") !=
                 std::string::npos;
        },
        10s));
    CHECK(eventually(
        [&] {
          const auto now = descendants(qos.pid(), "ping");
          return !now.empty() && now.front() != ping;
        },
        10s));
    const std::string page = test::http_get(port, "/metrics").body;
    CHECK(page.find("trafficlab_probe_success{probe=\"iperf\",target=\"lab\"} 1") !=
          std::string::npos);
    CHECK(page.find("trafficlab_http_phase_duration_seconds{op=\"upload\"") != std::string::npos);
    CHECK(page.find("trafficlab_influx_points_total{outcome=\"written\"}") != std::string::npos);
    const CommandResult lint = run_command({"promtool", "check", "metrics"}, 30s, page);
    CHECK_MESSAGE(lint.status.ok(), lint.out << lint.err);
    const auto children = descendants(qos.pid());
    qos.signal(SIGINT);
    const auto status = qos.wait(20s);
    REQUIRE(status);
    CHECK(status->ok());
    for (const pid_t pid : children)
      CHECK(
          eventually([&] { return !is_running(pid); }, 5s));  // iperf's client dies with its probe
    const std::string printed = read_file(out);
    const auto lines = std::count(printed.begin(), printed.end(), '\n');
    CHECK(read_file(err).find(std::to_string(lines) + " points written, 0 rejected") !=
          std::string::npos);
  });
}

TEST_CASE(
    "3 points that reach no database and have no spool are lost: exit code 4, after Ctrl-C too") {
  const TemporaryFolder folder;
  const std::string csv = folder.path() / "rows.csv";
  const auto qos = [](const Argv& more) {
    Argv argv{TL_PROGRAM,           "qos",        "--ping", "127.0.0.1", "--quiet", "--influx-url",
              "http://127.0.0.1:1", "--database", "lab"};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  };
  Child forever{qos({"--every", "1s", "--csv", csv})};
  CHECK(eventually([&] { return read_value(csv).find(",ping,") != std::string::npos; }, 20s));
  forever.signal(SIGINT);
  const CommandResult once = run_command(qos({"--once"}), 30s);
  CHECK(once.status.code == 4);
  CHECK(once.err.find("write to http://127.0.0.1:1: 1 points lost: ") != std::string::npos);
  const auto status = forever.wait(20s);
  REQUIRE(status);
  CHECK(status->code == 4);
}

TEST_CASE(
    "17 options of InfluxDB without its URL are refused; its token may be in the environment") {
  for (const char* option : {"--spool", "--database"}) {
    const CommandResult result =
        run_command({TL_PROGRAM, "qos", "--ping", "127.0.0.1", "--once", option, "x"}, 10s);
    CHECK(result.status.code == 2);
    CHECK(result.err.find("InfluxDB has settings but no URL") != std::string::npos);
  }
  FakeServer database;
  const CommandResult result =
      run_command({"env", "INFLUXDB_TOKEN=t0ken", "INFLUXDB_VERSION=3", TL_PROGRAM, "qos", "--ping",
                   "127.0.0.1", "--once", "--influx-url", database.url(), "--database", "lab"},
                  30s);
  CHECK(result.status.code == 0);
  REQUIRE(database.requests().size() == 1);
  CHECK(database.requests()[0].header("authorization").ends_with(" t0ken"));
}

TEST_CASE("17 --ping wins over QOS_PING, also when both name the same address") {
  for (const char* variable : {"QOS_PING=127.0.0.2", "QOS_PING=127.0.0.1"}) {
    const CommandResult result = run_command(
        {"env", variable, TL_PROGRAM, "qos", "--ping", "127.0.0.1", "--once", "--json"}, 30s);
    CHECK(result.status.code == 0);
    const auto rows = printed_rows(result.out);
    CHECK(rows.size() == 1);
    CHECK(rows.contains("ping 127.0.0.1"));
  }
}

TEST_CASE("3 qos with a spool: rows of a round without database survive SIGKILL, and come later") {
  const VethPair pair;
  pair.left.run([&] {
    InfluxDatabase database;
    database.stop();
    const TemporaryFolder folder;
    const std::string spool = (folder.path() / "spool").native();
    const std::string config =
        write_config(folder, std::string{kProbes} + "influx: {url: '" + database.url() +
                                 "', version: 1, database: lab, spool: '" + spool +
                                 "'}\ntargets:\n  - {name: lab, ping: 198.18.0.2}\n");
    const auto out = folder.path() / "out";
    {
      const UniqueFd out_fd = open_fd(out, O_WRONLY | O_CREAT | O_APPEND);
      ChildOptions options;
      options.stdout_fd = options.stderr_fd = out_fd.get();
      Child qos{{TL_PROGRAM, "qos", "--config", config, "--every", "500ms", "--json"}, options};
      const auto rows = [&] {
        const std::string text = read_file(out);
        std::size_t count = 0;
        for (std::size_t at = 0; (at = text.find("\"probe\"", at)) != std::string::npos; ++at)
          ++count;
        return count;
      };
      REQUIRE(eventually([&] { return rows() >= 3; }, 20s));
      qos.signal(SIGKILL);
      REQUIRE(qos.wait(10s));
    }
    database.start();
    const CommandResult later = qos_once(config);
    CAPTURE(later.err);
    CHECK(later.err.find("0 rejected, 0 dropped, 0 waiting") != std::string::npos);
    std::istringstream lines{read_file(out)};
    int found = 0;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with('{')) continue;
      const auto time_ns = json::parse(line)["time_ns"].get<std::int64_t>();
      found += static_cast<int>(
          database.rows("SELECT ping_sent FROM qos_metrics WHERE time = " + std::to_string(time_ns))
              .size());
    }
    CHECK(found >= 3);
  });
}
}  // namespace tl::qos_test
