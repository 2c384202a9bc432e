// What link.rate, link.delay and link.loss do to a run, and to a device.
#include <doctest/doctest.h>

#include <algorithm>

#include "base/netns.hh"
#include "base/qdisc.hh"
#include "support/lab_run.hh"
#include "support/qdisc.hh"
#include "support/temporary.hh"

namespace tl::shaping_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

double metric_of(const std::filesystem::path& bundle, const std::string& name) {
  const nlohmann::json metrics = read_json(bundle / "metrics.json").at("metrics");
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const auto& m) { return m.at("name") == name; });
  REQUIRE(found != metrics.end());
  return found->at("value").get<double>();
}

}  // namespace

TEST_CASE("a device shaped to a rate has the token bucket that tc reads back") {
  const std::string shown = NetNs::create().run([] {
    shape_device("lo", {200'000'000, 0ns, 0});
    return must_run({"tc", "qdisc", "show", "dev", "lo"}, 10s);
  });
  CHECK_MESSAGE(shown.find("tbf") != std::string::npos, shown);
  CHECK_MESSAGE(shown.find("rate 200Mbit") != std::string::npos, shown);
  CHECK_MESSAGE(shown.find("burst 250000b") != std::string::npos, shown);  // 10 ms: 250,000 bytes
}

TEST_CASE("the kernel holds rates of more than 32 bits of bytes") {
  const std::string shown = NetNs::create().run([] {
    shape_device("lo", {80'000'000'000, 0ns, 0});
    return must_run({"tc", "qdisc", "show", "dev", "lo"}, 10s);
  });
  CHECK_MESSAGE(shown.find("rate 80Gbit") != std::string::npos, shown);
}

TEST_CASE("a run over a rate-limited link receives what the link lets through, and reconciles") {
  const TemporaryFolder results;
  for (const char* protocol : {"tcp", "udp"}) {
    CAPTURE(protocol);
    const LabRun run =
        run_lab(results.path(), {"--engine", "netns", "--duration", "2", "--protocol", protocol,
                                 "--bitrate", "150M", "--link-rate", "100M"});
    REQUIRE_MESSAGE(run.status.ok(), run.err);
    const double goodput_bps = metric_of(run.bundle, "goodput");
    CHECK(goodput_bps > 75e6);  // a token bucket of 10 ms, and a host that others use
    CHECK(goodput_bps < 102e6);
    const nlohmann::json agents = read_json(run.bundle / "manifest.json").at("agents");
    for (const char* service : {"iperf-client", "iperf-server"})
      CHECK(agents.at("environment").at(service).at("devices").at("eth0").at("qdisc") == "tbf");
    // Behind the queue, when the link takes it.
    const nlohmann::json counters = read_json(run.bundle / "counters/counters.json");
    for (const auto& point : counters.at("points"))
      for (const auto& device : point.at("devices")) CHECK(device.at("counted_at") == "tap");
  }
}

TEST_CASE("a delay is on the path in both directions, or refused where the kernel has no netem") {
  const TemporaryFolder results;
  const LabRun run = run_lab(results.path(), {"--engine", "netns", "--duration", "1", "--bitrate",
                                              "50M", "--link-delay", "10ms"});
  if (!has_netem()) {
    CHECK(run.status.code == 4);
    CHECK_MESSAGE(run.err.find("no netem (needs CONFIG_NET_SCH_NETEM") != std::string::npos,
                  run.err);
    return;
  }
  REQUIRE_MESSAGE(run.status.ok(), run.err);
  CHECK(metric_of(run.bundle, "rtt_p50") >= 0.020);
}
}  // namespace tl::shaping_test
