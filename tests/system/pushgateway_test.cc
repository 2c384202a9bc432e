// Tests 6, 7 and 19 of the telemetry reference, against Debian's Pushgateway and Prometheus.
#include "live/pushgateway.hh"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/netns.hh"
#include "live/registry.hh"
#include "support/certificates.hh"
#include "support/processes.hh"
#include "support/server.hh"

namespace tl::pushgateway_test {
using namespace tl::live;
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

Server::Command pushgateway(const std::string& web_config = "") {
  return [web_config](std::uint16_t port, const std::string& folder) {
    Argv argv{"prometheus-pushgateway", "--web.listen-address=127.0.0.1:" + std::to_string(port),
              "--persistence.file=" + folder + "/data"};
    if (!web_config.empty()) argv.push_back("--web.config.file=" + web_config);
    return argv;
  };
}

std::vector<Family> gauges(const std::vector<std::pair<std::string, double>>& values) {
  std::vector<Family> families;
  for (const auto& [name, value] : values)
    families.push_back({name, "A test.", Type::gauge, "", {number_point({}, value)}});
  return families;
}

PushOptions options_for(const std::string& url, GroupingKey group) {
  PushOptions options;
  options.url = url;
  options.group = std::move(group);
  options.attempts = 1;
  return options;
}

// The page's lines of metric `name`.
std::vector<std::string> lines_of(const Server& gateway, const std::string& name) {
  std::vector<std::string> lines;
  std::istringstream page{http_get(gateway.port(), "/metrics").body};
  for (std::string line; std::getline(page, line);)
    if (line.starts_with(name + "{") || line.starts_with(name + " ")) lines.push_back(line);
  return lines;
}

using Lines = std::vector<std::string>;

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

void write(const std::string& path, const std::string& text) { std::ofstream{path} << text; }

}  // namespace

TEST_CASE("6 push replaces the group, push_add the same names, remove only its group") {
  const Server gateway{pushgateway(), "/-/ready"};
  for (const Format format : {Format::text, Format::protobuf}) {
    PushOptions options = options_for(gateway.url(), {"lab", {}});
    options.format = format;
    Pushgateway client{options};
    options.group.labels = {{"part", "two"}};
    Pushgateway other{options};
    client.push(gauges({{"a", 1}, {"b", 2}, {"c", 3}}));
    other.push(gauges({{"a", 9}}));
    client.push_add(gauges({{"b", 20}}));
    CHECK(lines_of(gateway, "b") == Lines{R"(b{instance="",job="lab"} 20)"});
    CHECK(lines_of(gateway, "c") == Lines{R"(c{instance="",job="lab"} 3)"});
    client.push(gauges({{"a", 5}}));
    CHECK(lines_of(gateway, "b").empty());
    CHECK(lines_of(gateway, "a") ==
          Lines{R"(a{instance="",job="lab"} 5)", R"(a{instance="",job="lab",part="two"} 9)"});
    client.remove();
    const Lines rest{R"(a{instance="",job="lab",part="two"} 9)"};
    CHECK(eventually([&] { return lines_of(gateway, "a") == rest; }, 10s));
    other.remove();
    CHECK(eventually([&] { return lines_of(gateway, "a").empty(); }, 10s));
  }
}

TEST_CASE("6 grouping values with any character arrive as they were") {
  const Server gateway{pushgateway(), "/-/ready"};
  for (const std::string value : {"a/b", "a b", "", "Zürich €", "a+b", "50%", "..", "a?b#c", "="}) {
    CAPTURE(value);
    Pushgateway client{options_for(gateway.url(), {"j/" + value, {{"where", value}}})};
    client.push(gauges({{"a", 1}}));
    const auto answer =
        nlohmann::json::parse(http_get(gateway.port(), "/api/v1/metrics").body).at("data");
    REQUIRE(answer.size() == 1);
    CHECK(answer[0].at("labels").at("job") == "j/" + value);
    CHECK(answer[0].at("labels").value("where", "") == value);
    client.remove();
    const auto is_gone = [&] {
      const std::string body = http_get(gateway.port(), "/api/v1/metrics").body;
      return nlohmann::json::parse(body).at("data").empty();
    };
    CHECK(eventually(is_gone, 10s));
  }
}

TEST_CASE("6 every kind of metric is accepted in both formats") {
  const Server gateway{pushgateway(), "/-/ready"};
  Registry registry;
  registry.counter({"jobs_total", "h", ""}).with({{"k", "a\"\\\nb"}}).inc(7);
  registry.histogram({"rtt_seconds", "h", "seconds"}, {0.5, 1}).with({}).observe(0.7);
  registry.summary({"size_bytes", "h", "bytes"}, {0.5}).with({}).observe(3);
  registry.info({"build_info", "h", ""}).with({}).set({{"version", "1"}});
  registry.state_set({"phase", "h", ""}, {"up", "down"}).with({}).set("down");
  for (const Format format : {Format::text, Format::protobuf}) {
    PushOptions options = options_for(gateway.url(), {"all", {}});
    options.format = format;
    Pushgateway client{options};
    client.push(registry.collect());
    CHECK(lines_of(gateway, "jobs_total") ==
          Lines{R"(jobs_total{instance="",job="all",k="a\"\\\nb"} 7)"});
    CHECK(lines_of(gateway, "rtt_seconds_bucket").size() == 3);
    CHECK(lines_of(gateway, "size_bytes") ==
          Lines{R"(size_bytes{instance="",job="all",quantile="0.5"} 3)"});
    CHECK(lines_of(gateway, "build_info").size() == 1);
    CHECK(lines_of(gateway, "phase") == Lines{R"(phase{instance="",job="all",phase="down"} 1)",
                                              R"(phase{instance="",job="all",phase="up"} 0)"});
    client.remove();
  }
}

TEST_CASE("6 the gateway's own words are in the error") {
  const Server gateway{pushgateway(), "/-/ready"};
  Pushgateway first{options_for(gateway.url(), {"one", {}})};
  first.push(gauges({{"a", 1}}));
  Family clash{"a", "A test.", Type::histogram, "", {}};
  clash.points.push_back({{}, HistogramValue{{{1.0 / 0.0, 1, std::nullopt}}, 1}, 0});
  Pushgateway second{options_for(gateway.url(), {"two", {}})};
  const std::string message = message_of([&] { second.push({clash}); });
  CHECK(message.find("HTTP 400: ") != std::string::npos);
  CHECK(message.find("inconsistent") != std::string::npos);
}

TEST_CASE("6 the instance is the address from which the gateway is reached, v4 and v6") {
  const NetNs ns = NetNs::create();
  std::vector<std::string> found = ns.run([] {
    const auto ip = [](std::vector<std::string> words) {
      words.insert(words.begin(), "ip");
      (void)must_run(words, 5s);
    };
    ip({"link", "add", "d0", "type", "veth", "peer", "name", "d1"});
    ip({"address", "add", "198.18.9.2/24", "dev", "d0"});
    ip({"-6", "address", "add", "fd00:9::2/64", "dev", "d0", "nodad"});
    ip({"link", "set", "d0", "up"});
    ip({"link", "set", "d1", "up"});
    return std::vector{address_towards("198.18.9.77", 9091), address_towards("fd00:9::77", 9091),
                       address_towards("127.0.0.1", 9091)};
  });
  CHECK(found == Lines{"198.18.9.2", "fd00:9::2", "127.0.0.1"});
  PushOptions options = options_for("http://[::1]:9091/", {"lab", {}});
  options.instance_by_address = true;
  CHECK(Pushgateway{options}.target() == "http://[::1]:9091/metrics/job/lab/instance/::1");
}

TEST_CASE("6 19 basic auth and client certificates: right ones pass, wrong ones name the reason") {
  const Certificates certificates;
  const std::string at = certificates.path("");
  const std::string hash = must_run({"/usr/bin/python3", "-W", "ignore", "-c",
                                     "import crypt; print(crypt.crypt('s3cret-word', "
                                     "crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)), end='')"},
                                    30s);
  write(at + "web.yml", "tls_server_config:\n  cert_file: " + at + "leaf.pem\n  key_file: " + at +
                            "leaf.key\n  client_auth_type: RequireAndVerifyClientCert\n"
                            "  client_ca_file: " +
                            at + "ca.pem\nbasic_auth_users:\n  lab: " + hash + "\n");
  write(at + "password", "s3cret-word\n");
  const Server gateway{
      pushgateway(at + "web.yml"), "", [](std::uint16_t port) {
        return message_of([&] {
                 Pushgateway{options_for("https://127.0.0.1:" + std::to_string(port), {"x", {}})}
                     .remove();
               }).find("certificate") != std::string::npos;
      }};
  PushOptions good =
      options_for("https://127.0.0.1:" + std::to_string(gateway.port()), {"tls", {}});
  good.ca_file = at + "ca.pem";
  good.certificate_file = at + "leaf.pem";
  good.key_file = at + "leaf.key";
  good.user = "lab";
  good.password = Secret::from_file(at + "password");
  const auto failure = [](const PushOptions& options) {
    return message_of([&] { Pushgateway{options}.push(gauges({{"a", 1}})); });
  };
  CHECK(failure(good) == "");
  PushOptions wrong_password = good;
  wrong_password.password = Secret{"hunter2"};
  CHECK(failure(wrong_password).find("HTTP 401") != std::string::npos);
  CHECK(failure(wrong_password).find("hunter2") == std::string::npos);
  PushOptions no_certificate = good;
  no_certificate.certificate_file = no_certificate.key_file = "";
  CHECK(failure(no_certificate) != "");
  PushOptions wrong_certificate = good;
  wrong_certificate.certificate_file = at + "foreign.pem";
  wrong_certificate.key_file = at + "foreign.key";
  CHECK(failure(wrong_certificate) != "");
  PushOptions wrong_ca = good;
  wrong_ca.ca_file = at + "foreign.pem";
  CHECK(failure(wrong_ca).find("certificate") != std::string::npos);
}

TEST_CASE("19 credentials in a gateway URL are refused without being repeated") {
  const std::string message = message_of([] {
    Pushgateway{options_for("http://me:pa55@127.0.0.1:1", {"j", {}})};
  });
  CHECK(message.find("credentials") != std::string::npos);
  CHECK(message.find("pa55") == std::string::npos);
}

TEST_CASE(
    "7 an exemplar pushed as protobuf comes out of Prometheus, one pushed as text is counted") {
  const Server gateway{pushgateway(), "/-/ready"};
  Registry registry;
  registry.histogram({"lab_rtt_seconds", "h", "seconds"}, {0.25, 1})
      .with({{"Source_IP", "198.18.0.1"}})
      .observe(0.5, make_exemplar({{"trace_id", "abc"}}, 0.5, realtime_ns()));
  PushOptions options = options_for(gateway.url(), {"lab", {}});
  options.format = Format::text;
  Pushgateway as_text{options};
  as_text.push(registry.collect());
  CHECK(as_text.exemplars_dropped() == 1);
  Pushgateway{options_for(gateway.url(), {"lab", {}})}.push(registry.collect());

  const Server prometheus{
      [&](std::uint16_t port, const std::string& folder) {
        write(folder + "/prometheus.yml",
              "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: push\n  honor_labels: "
              "true\n  static_configs: [{targets: ['127.0.0.1:" +
                  std::to_string(gateway.port()) + "']}]\n");
        return Argv{"prometheus", "--config.file=" + folder + "/prometheus.yml",
                    "--storage.tsdb.path=" + folder + "/data",
                    "--enable-feature=exemplar-storage,native-histograms",
                    "--web.listen-address=127.0.0.1:" + std::to_string(port)};
      },
      "/-/ready"};
  nlohmann::json exemplars;
  const std::string query = "/api/v1/query_exemplars?query=lab_rtt_seconds_bucket&start=" +
                            std::to_string(realtime_ns() / 1'000'000'000 - 600) +
                            "&end=" + std::to_string(realtime_ns() / 1'000'000'000 + 600);
  REQUIRE(eventually(
      [&] {
        const auto answer =
            nlohmann::json::parse(http_get(prometheus.port(), query).body, nullptr, false);
        if (!answer.is_object() || !answer.contains("data")) return false;
        exemplars = answer.at("data");
        return !exemplars.empty();
      },
      30s));
  CHECK(exemplars[0].at("seriesLabels").at("Source_IP") == "198.18.0.1");
  CHECK(exemplars[0].at("seriesLabels").at("job") == "lab");
  CHECK(exemplars[0].at("exemplars")[0].at("labels").at("trace_id") == "abc");
  CHECK(exemplars[0].at("exemplars")[0].at("value") == "0.5");
}
}  // namespace tl::pushgateway_test
