// Tests 7, 8, 9 and 19 of the telemetry reference: the exporter as Prometheus and its tools see it.
#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/netns.hh"
#include "live/exporter_config.hh"
#include "live/exposition.hh"
#include "support/certificates.hh"
#include "support/processes.hh"
#include "support/server.hh"
#include "support/veth_pair.hh"

namespace tl::exporter_test {
using namespace tl::live;
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

ServerOptions any_port() {
  ServerOptions options;
  options.port = 0;
  return options;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A registry with one family of every kind and awkward values.
void fill(Registry& registry) {
  auto& counter = registry.counter({"trafficlab_jobs_total", "Jobs \\ \"done\"\nso far.", ""});
  counter.with({{"k", "a\"\\\nb,c={}"}}).inc(3, make_exemplar({{"id", "x\"y"}}, 1, realtime_ns()));
  auto& gauge = registry.gauge({"trafficlab_level_bytes", "Level.", "bytes"});
  gauge.with({{"v", "inf"}}).set(1.0 / 0.0);
  gauge.with({{"v", "minus"}}).set(-1.0 / 0.0);
  gauge.with({{"v", "nan"}}).set(0.0 / 0.0);
  gauge.with({{"v", "tenth"}}).set(0.1);
  registry.histogram({"trafficlab_rtt_seconds", "Rtt.", "seconds"}, rtt_buckets_seconds())
      .with({{"dest", "Zürich"}})
      .observe(0.01, make_exemplar({{"flow", "f"}}, 0.01, realtime_ns()));
  registry.summary({"trafficlab_size_bytes", "Size.", "bytes"}, {0.5, 0.99}).with({}).observe(3);
  registry.info({"trafficlab_build_info", "Build.", ""}).with({}).set({{"version", "1"}});
  registry.state_set({"trafficlab_phase", "Phase.", ""}, {"up", "down"}).with({}).set("down");
}

// What the reference parser makes of a page: name, labels, value and exemplar of every sample.
nlohmann::json parsed(const std::string& module, const std::string& page) {
  const std::string script =
      "import sys, json\n"
      "from prometheus_client." +
      module +
      " import text_string_to_metric_families as parse\n"
      "page = sys.stdin.buffer.read().decode('utf-8')\n"
      "rows = [[f.type, s.name, s.labels, repr(float(s.value)), s.exemplar.labels if s.exemplar "
      "else "
      "None]\n"
      "        for f in parse(page) for s in f.samples]\n"
      "print(json.dumps(rows))\n";
  return nlohmann::json::parse(must_run({"/usr/bin/python3", "-c", script}, 30s, page));
}

bool has_row(const nlohmann::json& rows, const std::string& type, const std::string& name,
             const nlohmann::json& labels, const std::string& value) {
  return std::any_of(rows.begin(), rows.end(), [&](const nlohmann::json& row) {
    return row[0] == type && row[1] == name && row[2] == labels && row[3] == value;
  });
}

// The page without families whose names the users chose before there were conventions.
std::string conventional_part(const std::string& page) {
  std::string result;
  std::istringstream lines{page};
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.starts_with("# ") ? line.substr(7) : line;
    if (name.starts_with("trafficlab_") || name.starts_with("process_")) result += line + "\n";
  }
  return result;
}

CommandResult promtool(const std::string& page) {
  return run_command({"promtool", "check", "metrics"}, 30s, page);
}

Server::Command exporter(std::vector<std::string> more) {
  return [more = std::move(more)](std::uint16_t port, const std::string&) {
    Argv argv{TL_PROGRAM, "export", "--listen", "127.0.0.1:" + std::to_string(port)};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  };
}

}  // namespace

TEST_CASE("8 the reference parsers read both text formats back to what was put in") {
  Registry registry;
  fill(registry);
  const auto families = registry.collect();
  const auto text = parsed("parser", encode(families, Format::text));
  const auto open = parsed("openmetrics.parser", encode(families, Format::openmetrics));
  for (const auto& rows : {text, open}) {
    CHECK(has_row(rows, "counter", "trafficlab_jobs_total", {{"k", "a\"\\\nb,c={}"}}, "3.0"));
    CHECK(has_row(rows, "gauge", "trafficlab_level_bytes", {{"v", "inf"}}, "inf"));
    CHECK(has_row(rows, "gauge", "trafficlab_level_bytes", {{"v", "minus"}}, "-inf"));
    CHECK(has_row(rows, "gauge", "trafficlab_level_bytes", {{"v", "nan"}}, "nan"));
    CHECK(has_row(rows, "gauge", "trafficlab_level_bytes", {{"v", "tenth"}}, "0.1"));
    CHECK(has_row(rows, "histogram", "trafficlab_rtt_seconds_count", {{"dest", "Zürich"}}, "1.0"));
    CHECK(has_row(rows, "summary", "trafficlab_size_bytes", {{"quantile", "0.99"}}, "3.0"));
  }
  CHECK(has_row(open, "info", "trafficlab_build_info", {{"version", "1"}}, "1.0"));
  CHECK(has_row(open, "stateset", "trafficlab_phase", {{"trafficlab_phase", "down"}}, "1.0"));
  CHECK(has_row(text, "gauge", "trafficlab_phase", {{"trafficlab_phase", "down"}}, "1.0"));
  const auto with_exemplar = [&](const char* key, const char* value) {
    return std::any_of(open.begin(), open.end(), [&](const nlohmann::json& row) {
      return row[4] == nlohmann::json{{key, value}};
    });
  };
  CHECK(with_exemplar("id", "x\"y"));
  CHECK(with_exemplar("flow", "f"));
}

TEST_CASE("8 promtool finds nothing to object to in a page of every kind") {
  Registry registry;
  fill(registry);
  const CommandResult lint = promtool(encode(registry.collect(), Format::text));
  CHECK_MESSAGE(lint.status.ok(), lint.out << lint.err);
  CHECK(lint.err == "");
}

TEST_CASE("8 the server negotiates format and compression") {
  Registry registry;
  fill(registry);
  const MetricsServer server{registry, any_port()};
  CHECK(http_get(server.port(), "/metrics").content_type == content_type(Format::text));
  const HttpAnswer open = http_get(
      server.port(), "/metrics",
      {{"Accept", "application/openmetrics-text;version=1.0.0"}, {"Accept-Encoding", "gzip"}});
  CHECK(open.content_type == content_type(Format::openmetrics));
  CHECK(open.body.ends_with("# EOF\n"));  // the client library has uncompressed it once
  const HttpAnswer binary =
      http_get(server.port(), "/metrics",
               {{"Accept",
                 "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                 "encoding=delimited"}});
  CHECK(binary.content_type == content_type(Format::protobuf));
  const HttpAnswer compressed = http_get(server.port(), "/metrics", {{"Accept-Encoding", "gzip"}});
  CHECK(compressed.body.starts_with("# HELP"));
}

TEST_CASE("8 the exporter exposes the users' names, and the conventional family passes promtool") {
  const Server server{exporter({"--dest", "127.0.0.1"}), "/metrics"};
  std::string page;
  REQUIRE(eventually(
      [&] {
        page = http_get(server.port(), "/metrics").body;
        return contains(page, "avg_rtt{dest=\"127.0.0.1\"} ");
      },
      10s));
  CHECK(contains(page, "# TYPE packets_sent gauge\npackets_sent{ifname=\"lo\"} "));
  CHECK(contains(page, "# TYPE packets_recv gauge\npackets_recv{ifname=\"lo\"} "));
  CHECK(contains(page, "\nnumber_of_requests_total "));
  CHECK(contains(page, "current_memory_usage_locally{server_name=\""));
  CHECK(contains(page, "\nprocess_resident_memory_bytes "));
  CHECK(contains(page, "trafficlab_probe_success{dest=\"127.0.0.1\",probe=\"ping\"} 1\n"));
  CHECK_FALSE(contains(page, "avg_rtt{dest=\"127.0.0.1\"} 0\n"));
  const CommandResult lint = promtool(conventional_part(page));
  CHECK_MESSAGE(lint.status.ok(), lint.out << lint.err);
  CHECK(lint.err == "");
}

TEST_CASE("7 8 Prometheus scrapes the exporter with the prometheus.yml provided") {
  const Server target{exporter({"--dest", "127.0.0.1"}), "/metrics"};
  const Server prometheus{[&](std::uint16_t port, const std::string& folder) {
                            std::string config =
                                read_file(TL_SOURCE_DIR "/docker/observability/prometheus.yml");
                            const std::string standard = "127.0.0.1:9469";
                            config.replace(config.find(standard), standard.size(),
                                           "127.0.0.1:" + std::to_string(target.port()));
                            config.replace(config.find("10s"), 3, "1s");
                            config.replace(config.find("10s"), 3, "1s");
                            std::ofstream{folder + "/prometheus.yml"} << config;
                            return Argv{"prometheus", "--config.file=" + folder + "/prometheus.yml",
                                        "--storage.tsdb.path=" + folder + "/data",
                                        "--web.listen-address=127.0.0.1:" + std::to_string(port)};
                          },
                          "/-/ready"};
  const auto value = [&](const std::string& query) -> std::string {
    const auto answer = nlohmann::json::parse(
        http_get(prometheus.port(), "/api/v1/query?query=" + query).body, nullptr, false);
    if (!answer.is_object() || answer.value("status", "") != "success") return "";
    const auto& rows = answer.at("data").at("result");
    return rows.empty() ? "" : rows[0].at("value")[1].get<std::string>();
  };
  CHECK(eventually([&] { return !value("avg_rtt").empty(); }, 30s));
  CHECK(value("up{job=\"trafficlab\"}") == "1");
  CHECK(value("count(packets_recv)") != "");
  CHECK(value("trafficlab_ping_rtt_seconds_count") != "");
  CHECK(value("number_of_requests_total") != "");
}

TEST_CASE("7 Prometheus takes an exemplar from the exporter's OpenMetrics page") {
  Registry registry;
  fill(registry);
  const MetricsServer target{registry, any_port()};
  const Server prometheus{
      [&](std::uint16_t port, const std::string& folder) {
        std::ofstream{folder + "/prometheus.yml"}
            << "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: x\n  static_configs: "
               "[{targets: ['127.0.0.1:"
            << target.port() << "']}]\n";
        return Argv{"prometheus", "--config.file=" + folder + "/prometheus.yml",
                    "--storage.tsdb.path=" + folder + "/data", "--enable-feature=exemplar-storage",
                    "--web.listen-address=127.0.0.1:" + std::to_string(port)};
      },
      "/-/ready"};
  const std::string query = "/api/v1/query_exemplars?query=trafficlab_rtt_seconds_bucket&start=" +
                            std::to_string(realtime_ns() / 1'000'000'000 - 600) +
                            "&end=" + std::to_string(realtime_ns() / 1'000'000'000 + 600);
  CHECK(eventually(
      [&] { return contains(http_get(prometheus.port(), query).body, "\"flow\":\"f\""); }, 30s));
}

TEST_CASE("9 a scrape answers while four pings hang, and scrapes start no pings") {
  std::mutex mutex;
  std::condition_variable wake;
  bool may_end = false;
  int started = 0;
  Registry registry;
  registry.add(process_collector());
  const MetricsServer server{registry, any_port()};
  PingPlan plan;
  plan.destinations = {"198.18.0.1", "198.18.0.2", "198.18.0.3", "198.18.0.4", "198.18.0.1"};
  plan.every = 1h;
  const auto hang = [&](const std::string&, const PingOptions& round) {
    std::unique_lock lock{mutex};
    ++started;
    wake.notify_all();
    wake.wait(lock, [&] { return may_end; });
    PingResult dead;
    dead.attempts = round.count;
    return dead;
  };
  {
    PingRounds rounds{registry, plan, hang};
    {
      std::unique_lock lock{mutex};
      wake.wait(lock, [&] { return started == 4; });
    }
    // Every ping is stuck until may_end: each answer below is given while none has ended.
    for (int i = 0; i < 50; ++i) {
      const HttpAnswer answer = http_get(server.port(), "/metrics");
      REQUIRE(answer.status == 200);
      CHECK_FALSE(contains(answer.body, "avg_rtt{"));
    }
    {
      const std::lock_guard lock{mutex};
      CHECK(started == 4);
      may_end = true;
    }
    wake.notify_all();
  }
  const std::string page = http_get(server.port(), "/metrics").body;
  CHECK(contains(page, "avg_rtt{dest=\"198.18.0.4\"} 0\n"));
  CHECK(contains(page, "trafficlab_probe_success{dest=\"198.18.0.4\",probe=\"ping\"} 0\n"));
  CHECK(contains(page, "trafficlab_ping_loss_ratio{dest=\"198.18.0.4\"} 1\n"));
  CHECK(contains(page, "trafficlab_ping_requests_total{dest=\"198.18.0.4\"} 5\n"));
  CHECK(contains(page, "trafficlab_probe_last_run_timestamp_seconds{dest=\"198.18.0.4\""));
}

TEST_CASE("8 device statistics of another namespace are exposed under the container's name") {
  const NetNs ns = NetNs::create();
  ns.run([] {
    (void)must_run({"ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1"}, 5s);
    (void)must_run({"ip", "address", "add", "198.18.9.2/24", "dev", "d0"}, 5s);
    (void)must_run({"ip", "link", "set", "d0", "up"}, 5s);
    (void)must_run({"ip", "link", "set", "d1", "up"}, 5s);
    PingOptions quick;
    quick.count = 3;
    quick.interval = 1ms;
    quick.timeout = 1ms;
    (void)ping("198.18.9.77", quick);
  });
  const std::string path = "/proc/self/fd/" + std::to_string(ns.fd());
  Registry registry;
  registry.add(container_collector(namespace_source({{"web", path}})));
  // The devices also send on their own (IPv6), so both readings are taken until they meet.
  CHECK(eventually(
      [&] {
        const auto links = ns.run([] { return list_links(); });
        const auto d0 =
            std::find_if(links.begin(), links.end(), [](const Link& l) { return l.name == "d0"; });
        return d0 != links.end() && d0->statistics.tx_packets > 0 &&
               contains(encode(registry.collect(), Format::text),
                        "trafficlab_container_transmit_packets_total{container=\"web\",device="
                        "\"d0\",source=\"netlink\"} " +
                            std::to_string(d0->statistics.tx_packets) + "\n");
      },
      10s));
}

TEST_CASE("8 in-kernel counts of containers and ports are exposed, exact to the packet") {
  const VethPair pair;
  const TemporaryFolder folder;
  const std::string config = folder.path() / "export.yaml";
  std::ofstream{config} << "namespaces: {left: " << path_of(pair.left)
                        << ", right: " << path_of(pair.right) << "}\ncounters: true\nports: ["
                        << kWantedPort << "]\n";
  const Server server{exporter({"--config", config}), "/metrics"};
  UdpSender{pair, kWantedPort}.send(50);
  UdpSender{pair, kNoisePort}.send(20);
  constexpr std::uint64_t kFrameBytes = kHeaderBytes + 100;
  const auto line = [](const std::string& name, const std::string& labels, std::uint64_t value) {
    return "\ntrafficlab_" + name + "_total{" + labels + "} " + std::to_string(value) + "\n";
  };
  const std::string page = http_get(server.port(), "/metrics").body;
  CAPTURE(page);
  for (const char* source : {"ebpf", "netlink"}) {
    const auto of = [&](const char* container) {
      return std::string{"container=\""} + container + "\",device=\"eth0\",source=\"" + source +
             "\"";
    };
    CHECK(contains(page, line("container_receive_packets", of("right"), 70)));
    CHECK(contains(page, line("container_transmit_packets", of("left"), 70)));
    CHECK(contains(page, line("container_transmit_bytes", of("left"), 70 * kFrameBytes)));
    CHECK(contains(page, line("container_receive_packets", of("left"), 0)));
    // The counters do not see errors, and say nothing instead of 0.
    CHECK(contains(page, line("container_receive_errors", of("right"), 0)) ==
          (source == std::string{"netlink"}));
  }
  CHECK(contains(page, line("port_receive_packets", "port=\"9000\",side=\"local\"", 50)));
  CHECK(contains(page, line("port_transmit_packets", "port=\"9000\",side=\"remote\"", 50)));
  CHECK(contains(page,
                 line("port_transmit_bytes", "port=\"9000\",side=\"remote\"", 50 * kFrameBytes)));
  CHECK(contains(page, line("uncounted_packets", "hook=\"rx\",reason=\"without_block\"", 0)));
  CHECK(promtool(conventional_part(page)).out == "");
}

TEST_CASE("19 a protected exporter answers only to the password, which nobody can see") {
  const TemporaryFolder folder;
  const std::string password_file = folder.path() / "password";
  const std::string config_file = folder.path() / "export.yaml";
  std::ofstream{password_file} << "open-sesame\n";
  std::ofstream{config_file} << "basic_auth: {user: lab, password_file: " << password_file << "}\n";
  const Server server{exporter({"--config", config_file}), "",
                      [](std::uint16_t port) { return http_get(port, "/metrics").status == 401; }};
  CHECK(http_get(server.port(), "/metrics", {{"Authorization", "Basic bGFiOndyb25n"}}).status ==
        401);
  const HttpAnswer good =
      http_get(server.port(), "/metrics", {{"Authorization", "Basic bGFiOm9wZW4tc2VzYW1l"}});
  CHECK(good.status == 200);
  CHECK_FALSE(contains(good.body, "open-sesame"));
  CHECK_FALSE(contains(server.log(), "open-sesame"));
}

TEST_CASE("a wrong exporter configuration is refused with file and line") {
  const TemporaryFolder folder;
  const std::string file = folder.path() / "export.yaml";
  std::ofstream{file} << "listen: 127.0.0.1:0\nping: {cuont: 5}\n";
  CHECK_THROWS_WITH(
      read_exporter_config(file),
      (file + ":2: unknown key 'cuont' (known here: count, every, interval, timeout)").c_str());
  std::ofstream{file} << "tls: {certificate_file: a.pem}\n";
  CHECK_THROWS_AS(check_exporter_config(read_exporter_config(file)), UsageError);
}

TEST_CASE("19 HTTPS pages go only to clients with a certificate of the named authority") {
  const Certificates certificates;
  Registry registry;
  fill(registry);
  ServerOptions options = any_port();
  options.certificate_file = certificates.path("leaf.pem");
  options.key_file = certificates.path("leaf.key");
  options.client_ca_file = certificates.path("ca.pem");
  const MetricsServer server{registry, options};
  const auto curl = [&](const Argv& more) {
    Argv argv{
        "curl", "--silent", "--fail", "--max-time", "20", "--cacert", certificates.path("ca.pem")};
    argv.insert(argv.end(), more.begin(), more.end());
    argv.push_back("https://127.0.0.1:" + std::to_string(server.port()) + "/metrics");
    return run_command(argv, 30s);
  };
  const auto client = [&](const std::string& name) {
    return Argv{"--cert", certificates.path(name + ".pem"), "--key",
                certificates.path(name + ".key")};
  };
  const CommandResult known = curl(client("leaf"));
  CHECK(known.status.ok());
  CHECK(contains(known.out, "trafficlab_jobs_total"));
  CHECK_FALSE(curl({}).status.ok());
  CHECK_FALSE(curl(client("foreign")).status.ok());
}
}  // namespace tl::exporter_test
