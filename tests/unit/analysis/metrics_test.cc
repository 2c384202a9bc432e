#include "analysis/metrics.hh"

#include <doctest/doctest.h>

#include <algorithm>

namespace tl::analysis_metrics_test {
namespace {

constexpr std::int64_t kMs = 1'000'000;

// A run whose receiver got `bytes` in buckets of `interval_ns`, of which the window has all but one
// at each end.
struct Run {
  Evidence evidence;
  IperfResult client, server;
  Timeline timeline;
  nlohmann::json exchange, losses;

  Run(std::vector<std::uint64_t> bytes, std::int64_t interval_ns) {
    evidence.traffic = TrafficEvidence{};
    evidence.traffic->sender = "iperf-client";
    evidence.traffic->receiver = "iperf-server";
    evidence.traffic->bytes_sent = evidence.traffic->bytes_received = 1'000'000'000;
    client.seconds = 2;
    client.document = {{"end", {{"cpu_utilization_percent", {{"host_total", 50.0}}}}}};
    server.document = nlohmann::json::object();
    timeline.first_ns = 1'000 * kMs;
    timeline.interval_ns = interval_ns;
    timeline.buckets = bytes.size();
    TimelineSeries series;
    series.name = "iperf-server";
    for (auto& column : series.columns) column.resize(bytes.size());
    series.columns[static_cast<std::size_t>(Column::rx_bytes)] = std::move(bytes);
    timeline.series.push_back(std::move(series));
  }

  [[nodiscard]] std::vector<Metric> metrics() const {
    const TrafficWindow window{
        timeline.first_ns + timeline.interval_ns,
        timeline.first_ns + static_cast<std::int64_t>(timeline.buckets - 1) * timeline.interval_ns};
    return metrics_of({evidence, client, server, timeline, exchange, losses, window});
  }
};

Metric find(const std::vector<Metric>& metrics, const std::string& name) {
  const auto found =
      std::find_if(metrics.begin(), metrics.end(), [&](const Metric& m) { return m.name == name; });
  REQUIRE(found != metrics.end());
  return *found;
}

double value(const std::vector<Metric>& metrics, const std::string& name) {
  const Metric m = find(metrics, name);
  INFO(name, ": ", m.reason);
  REQUIRE(m.value.has_value());
  return *m.value;
}

}  // namespace

TEST_CASE("metrics: a known series gives its exact percentiles, stall, ramp and bursts") {
  // Outside the window: 999s. Inside: 20 buckets of 10 ms.
  const Run run{{999, 0,   10,  50,  95,  100, 100, 100, 0,   0,  0,
                 100, 100, 100, 100, 100, 100, 100, 105, 200, 40, 999},
                10 * kMs};
  const auto m = run.metrics();
  CHECK(value(m, "rate_p5") == 0);
  CHECK(value(m, "rate_p50") == 100 * 8 * 100.0);
  CHECK(value(m, "rate_p99") == 200 * 8 * 100.0);
  CHECK(value(m, "longest_stall") == 0.03);
  CHECK(value(m, "ramp_to_90") == 0.03);  // 95 is the first of at least 90
  // The mean is 75: buckets 3…6 and 10…18 are above it.
  CHECK(value(m, "burst_duration_p50_10ms") == 0.04);
  CHECK(value(m, "burst_duration_p99_10ms") == 0.09);
  CHECK(value(m, "burst_size_p50_10ms") == 395);
  CHECK(value(m, "burst_size_p99_10ms") == 1005);
  CHECK(value(m, "goodput") == 4e9);
  CHECK(value(m, "cpu_sender") == 1.0);
  CHECK_FALSE(find(m, "cpu_receiver").value.has_value());
  CHECK(find(m, "burst_size_p99_1ms").reason == "the run's interval does not divide 1ms");
}

TEST_CASE("metrics: a finer series is summed to 10 ms, a constant one does not vary") {
  const Run run{std::vector<std::uint64_t>(52, 7), 1 * kMs};
  const auto m = run.metrics();
  CHECK(value(m, "rate_p50") == 70 * 8 * 100.0);
  CHECK(value(m, "rate_cov") == 0);
  CHECK(value(m, "longest_stall") == 0);
  CHECK(find(m, "burst_size_p50_1ms").reason == "no bucket carried more than the mean");
}

TEST_CASE("metrics: the same list whatever is missing, with reasons and never a made-up number") {
  Run run{{}, 10 * kMs};
  run.timeline.buckets = 1;
  run.timeline.missing = "no file";
  run.evidence.traffic.reset();
  const auto empty = run.metrics();
  const auto full = Run{std::vector<std::uint64_t>(30, 1), 10 * kMs}.metrics();
  REQUIRE(empty.size() == full.size());
  for (std::size_t i = 0; i < empty.size(); ++i) {
    CHECK(empty[i].name == full[i].name);
    CHECK_FALSE(empty[i].definition.empty());
    CHECK_FALSE(empty[i].unit.empty());
    CHECK(empty[i].value.has_value() == empty[i].reason.empty());
    CHECK_FALSE(empty[i].value.has_value());
  }
}

TEST_CASE("metrics: delay and loss are those of the path that carried the data") {
  Run run{std::vector<std::uint64_t>(30, 1), 10 * kMs};
  const auto path = [](std::uint64_t payload, std::int64_t p50_ns, int lost) {
    const nlohmann::json side{{"packets", 200}, {"payload_bytes", payload}};
    return nlohmann::json{{"upstream", "A"},
                          {"lost_packets", lost},
                          {"delay", {{"count", 9}, {"p50_ns", p50_ns}, {"p99_ns", 2 * p50_ns}}},
                          {"a", side},
                          {"b", side}};
  };
  run.exchange = {{"paths", {path(10, 5, 0), path(100'000, 3'000, 2)}}};
  const auto m = run.metrics();
  CHECK(value(m, "one_way_delay_p50") == 3e-6);
  CHECK(value(m, "one_way_delay_p99") == 6e-6);
  CHECK(value(m, "loss_ratio") == 0.01);
}
}  // namespace tl::analysis_metrics_test
