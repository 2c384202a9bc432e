// Polled metrics against a server on a virtual clock that answers like Prometheus.
#include <doctest/doctest.h>

#include <algorithm>

#include "pace/pace_config.hh"
#include "pace/poll_loop.hh"
#include "pace/prometheus_answer.hh"

namespace tl::pace_adaptive_metric_test {
using namespace tl::pace;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kMs = 1'000'000, kS = 1'000 * kMs;
constexpr std::int64_t kStart = 1'700'000'000 * kS;

// One series "m" with a sample every five seconds; understands m, m[…ms] and changes(m[…ms]).
class VirtualPrometheus : public MetricSource {
 public:
  std::int64_t clock_ns = kStart + 600 * kS;
  std::vector<Sample> stored;
  std::vector<std::string> queries;
  bool is_down = false;

  explicit VirtualPrometheus(std::int64_t change_every_s) {
    for (std::int64_t at_s = 0; at_s < 7200; at_s += 5)
      stored.push_back(
          {kStart + at_s * kS, change_every_s > 0 ? std::to_string(at_s / change_every_s) : "7"});
  }
  [[nodiscard]] std::int64_t now_ns() const override { return clock_ns; }
  WireCost synchronize() override { return {}; }

  QueryResult query(const std::string& expression, std::optional<std::int64_t> at_ns,
                    bool) override {
    queries.push_back(expression);
    const std::int64_t now = at_ns.value_or(clock_ns);
    QueryResult result;
    result.cost = {100, 100, 200, kMs};
    if (is_down) {
      result.error = "Connection refused";
      return result;
    }
    const std::size_t bracket = expression.find('[');
    const std::int64_t from =
        bracket == std::string::npos ? 0 : now - std::stoll(expression.substr(bracket + 1)) * kMs;
    SeriesSamples series{"m", {}};
    for (const Sample& sample : stored)
      if (sample.time_ns >= from && sample.time_ns <= now) series.samples.push_back(sample);
    if (expression.starts_with("changes")) series.samples = {{now, changes(series.samples)}};
    if (bracket == std::string::npos) series.samples = {{now, series.samples.back().value}};
    if (!series.samples.empty()) result.series.push_back(series);
    return result;
  }

 private:
  static std::string changes(const std::vector<Sample>& samples) {
    int count = 0;
    for (std::size_t i = 1; i < samples.size(); ++i)
      count += samples[i].value != samples[i - 1].value ? 1 : 0;
    return std::to_string(count);
  }
};

// Polls for `seconds`; the samples it was given.
std::vector<Sample> run(VirtualPrometheus& server, PolledMetric& metric, std::int64_t seconds) {
  std::vector<Sample> samples;
  const std::int64_t end_ns = server.clock_ns + seconds * kS;
  while (server.clock_ns < end_ns) {
    const PollOutcome outcome = metric.poll(server);
    for (const SeriesSamples& series : outcome.new_samples)
      samples.insert(samples.end(), series.samples.begin(), series.samples.end());
    server.clock_ns = outcome.next_ns;
  }
  return samples;
}

bool is_each_once(const std::vector<Sample>& got, const std::vector<Sample>& stored) {
  const auto first = std::find_if(stored.begin(), stored.end(), [&](const Sample& sample) {
    return sample.time_ns == got.front().time_ns;
  });
  return first != stored.end() && stored.end() - first >= std::ssize(got) &&
         std::equal(got.begin(), got.end(), first, [](const Sample& a, const Sample& b) {
           return a.time_ns == b.time_ns && a.value == b.value;
         });
}

}  // namespace

TEST_CASE("13 every stored sample is returned exactly once, also by the run after a restart") {
  VirtualPrometheus server{20};
  AdaptiveOptions options;
  options.every_sample = true;
  const auto first = adaptive_metric("m", options);
  std::vector<Sample> samples = run(server, *first, 900);
  server.clock_ns += 700 * kS;  // nobody polls: longer than what one looks back otherwise
  options.known["m"] = samples.back().time_ns;
  const auto second = adaptive_metric("m", options);
  const std::vector<Sample> later = run(server, *second, 900);
  samples.insert(samples.end(), later.begin(), later.end());
  CHECK(samples.size() > 2400 / 5);
  CHECK(is_each_once(samples, server.stored));
}

TEST_CASE("a constant series is asked only whether it has changed") {
  VirtualPrometheus server{0};
  const auto metric = adaptive_metric("m", {});
  (void)run(server, *metric, 3600);
  const auto asked = std::count_if(server.queries.begin(), server.queries.end(),
                                   [](const auto& q) { return q.starts_with("changes("); });
  CHECK(asked * 10 >= std::ssize(server.queries) * 7);
  CHECK(metric->summary().changes == 0);
  CHECK(metric->summary().polls < 40);
}

TEST_CASE("a periodic series is polled just after each change") {
  VirtualPrometheus server{20};
  const auto metric = adaptive_metric("m", {});
  (void)run(server, *metric, 3600);
  CHECK(metric->summary().timed_changes >= 178);
  CHECK(metric->summary().mean_ns < kS);
  CHECK(metric->summary().polls < 200);
}

TEST_CASE("an expression that is no selector is polled for its value") {
  VirtualPrometheus server{20};
  const auto metric = adaptive_metric("sum(m)", {});
  const PollOutcome outcome = metric->poll(server);
  CHECK(outcome.row.mode == "counted");
  CHECK(server.queries == std::vector<std::string>{"sum(m)"});
}

TEST_CASE("a server that is down costs rows, not samples: they are fetched when it is back") {
  VirtualPrometheus server{20};
  AdaptiveOptions options;
  options.every_sample = true;
  const auto metric = adaptive_metric("m", options);
  std::vector<Sample> samples = run(server, *metric, 100);
  server.is_down = true;
  (void)run(server, *metric, 100);
  server.is_down = false;
  const std::vector<Sample> later = run(server, *metric, 100);
  samples.insert(samples.end(), later.begin(), later.end());
  CHECK(is_each_once(samples, server.stored));
  CHECK(metric->summary().failed_polls >= 5);
  CHECK(metric->summary().failed_polls <= 8);  // 1, 2, 4 … s apart
}

TEST_CASE("a fixed metric keeps its times, whatever an answer takes") {
  VirtualPrometheus server{20};
  const auto metric = fixed_metric("m", 10s);
  const std::int64_t begin_ns = server.clock_ns;
  server.clock_ns = metric->poll(server).next_ns + 3 * kS;
  CHECK(metric->poll(server).next_ns == begin_ns + 20 * kS);
}

TEST_CASE("a budget holds the polls of all metrics together back") {
  VirtualPrometheus server{5};
  std::vector<std::unique_ptr<PolledMetric>> metrics;
  for (int i = 0; i < 10; ++i) metrics.push_back(fixed_metric("m", 1s));
  std::uint64_t polls = 0;
  PollLoop loop{std::move(metrics), {2, 0}, [&](const PollOutcome&) { ++polls; }};
  const std::int64_t end_ns = server.clock_ns + 100 * kS;
  while (loop.next_ns(server.clock_ns) < end_ns) {
    server.clock_ns = loop.next_ns(server.clock_ns);
    loop.poll(server);
  }
  CHECK(polls <= 2 * 100 + 20 + 1);
  CHECK(polls >= 2 * 100);
}

TEST_CASE("selectors are told from expressions") {
  for (const char* text : {"up", "a:b_c", "up{job=\"x}\"}", "{__name__=~\"a|b\"}", "up{}"})
    CHECK(is_selector(text));
  for (const char* text : {"", "1", "sum(up)", "up + up", "up[5m]", "up offset 5m",
                           "up{a=\"b\"} + up{}", "rate(up[1m])", "up{a=\"b}"})
    CHECK_FALSE(is_selector(text));
}

TEST_CASE("answers of the query API are read, and what is none gives a reason") {
  const QueryAnswer matrix = parse_query_answer(
      R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"j","__name__":"m"},)"
      R"("values":[[1700000000.123,"1"],[1700000005,"NaN"]]}]}})");
  REQUIRE(matrix.series.size() == 1);
  CHECK(matrix.series[0].series == "m{job=\"j\"}");
  CHECK(matrix.series[0].samples[0].time_ns == 1'700'000'000'123 * kMs);
  CHECK(matrix.series[0].samples[1].value == "NaN");
  CHECK(parse_query_answer(R"({"status":"error","error":"parse error"})").error == "parse error");
  for (const char* text :
       {"", "[]", "{}", "<html>", R"({"status":"success","data":{"resultType":"x"}})"})
    CHECK_FALSE(parse_query_answer(text).error.empty());
}
}  // namespace tl::pace_adaptive_metric_test
