// Test 14 of the telemetry reference: what an edit of prometheus.yml may touch, and when one is
// due.
#include "pace/scrape_config.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "pace/scrape_advice.hh"

namespace tl::pace_scrape_config_test {
using namespace tl::pace;
using namespace std::chrono_literals;

namespace {

const std::string kConfig =
    "# Site configuration.\n"
    "global: {scrape_interval: 15s}  # Größe in Sekunden\n"
    "scrape_configs:\n"
    "  - job_name: 'node' # the machines\n"
    "    unknown_key: [1, 2]\n"
    "    scrape_timeout: \"10s\"\n"
    "    static_configs: [{targets: ['127.0.0.1:9100']}]\n"
    "\n"
    "  - {job_name: flow, static_configs: [{targets: ['127.0.0.1:1']}]}\n"
    "  - scrape_interval:   1m30s   # slow\n"
    "    job_name: other\n";

std::string edited(const std::string& job, std::chrono::milliseconds interval) {
  return ScrapeConfig{kConfig, "p.yml"}.with_interval(job, interval).text();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

SeriesSamples values(std::initializer_list<const char*> list) {
  SeriesSamples series{"m{job=\"node\"}", {}};
  for (const char* value : list)
    series.samples.push_back({static_cast<std::int64_t>(series.samples.size()), value});
  return series;
}

}  // namespace

TEST_CASE("14 an interval that is there is replaced, every other byte stays") {
  CHECK(edited("other", 45s) == replaced(kConfig, "1m30s", "45s"));
}

TEST_CASE("14 an interval that is missing is added below the job's name") {
  CHECK(edited("node", 30s) ==
        replaced(kConfig, "# the machines\n", "# the machines\n    scrape_interval: 30s\n"));
  CHECK(edited("flow", 30s) == replaced(kConfig, "{job_name", "{scrape_interval: 30s, job_name"));
}

TEST_CASE("14 a timeout above the new interval is lowered with it") {
  const std::string text = edited("node", 5s);
  CHECK(text.find("scrape_timeout: \"5s\"") != std::string::npos);
  CHECK(ScrapeConfig{text, "p.yml"}.times("node").timeout == 5s);
}

TEST_CASE("14 the interval in force is the job's, or the global one") {
  const ScrapeConfig config{kConfig, "p.yml"};
  CHECK(config.times("node").interval == 15s);
  CHECK(config.times("other").interval == 90s);
  CHECK(config.with_interval("node", 15s).text() == kConfig);
  CHECK(config.jobs() == std::vector<std::string>{"node", "flow", "other"});
}

TEST_CASE("14 what cannot be edited alone is refused") {
  const std::string shared =
      "x: &times {scrape_interval: 10s}\n"
      "scrape_configs:\n"
      "  - job_name: a\n"
      "    scrape_interval: &i 10s\n"
      "  - job_name: b\n"
      "    scrape_interval: *i\n";
  CHECK_THROWS_AS((void)ScrapeConfig(shared, "p.yml").with_interval("b", 20s), UsageError);
  CHECK_THROWS_AS((void)ScrapeConfig(kConfig, "p.yml").with_interval("absent", 20s), UsageError);
  CHECK_THROWS_AS(ScrapeConfig("a: [", "p.yml"), UsageError);
  CHECK_THROWS_AS(ScrapeConfig("a: 1", "p.yml"), UsageError);
}

TEST_CASE("14 Prometheus' durations are read and written") {
  CHECK(parse_prometheus_duration("1m30s") == 90s);
  CHECK(parse_prometheus_duration("500ms") == 500ms);
  CHECK(parse_prometheus_duration("1h") == 3600s);
  CHECK(format_prometheus_duration(90s) == "90s");
  CHECK(format_prometheus_duration(1500ms) == "1500ms");
  for (const char* text : {"", "15", "s", "15 s", "1.5s", "15x"})
    CHECK_THROWS_AS((void)parse_prometheus_duration(text), UsageError);
}

TEST_CASE("14 the longest interval keeps two samples and a lost one within the look-back") {
  CHECK(longest_scrape_interval(5min) == 120s);
  CHECK(longest_scrape_interval(1min) == 24s);
}

TEST_CASE("14 the interval doubles when nothing moves, halves when most samples do, else stays") {
  JobEvidence still{{5s, 120s, 5}};
  still.add(values({"1", "1", "1", "1.04", "1", "1", "1"}));
  CHECK_FALSE(still.advice(15s));  // too few
  still.add(values({"1", "1"}));
  CHECK(still.advice(15s) == 30s);
  CHECK(still.advice(100s) == 120s);
  CHECK_FALSE(still.advice(120s));
  JobEvidence moving{{5s, 120s, 5}};
  moving.add(values({"0", "1", "2", "4", "8", "NaN", "0", "1", "0"}));
  CHECK(moving.advice(15s) == 7500ms);
  CHECK_FALSE(moving.advice(5s));
  JobEvidence between{{5s, 120s, 5}};
  between.add(values({"1", "1", "2", "2", "1", "1", "1", "1", "1"}));
  CHECK_FALSE(between.advice(15s));
  moving.start_again();
  CHECK_FALSE(moving.advice(15s));
}

TEST_CASE("14 a series belongs to the job that its labels name") {
  CHECK(job_of_series("m{job=\"node\"}") == "node");
  CHECK(job_of_series("m{a=\"x\",job=\"node\",z=\"y\"}") == "node");
  CHECK(job_of_series("m{exported_job=\"a\"}").empty());
  CHECK(job_of_series("m").empty());
}
}  // namespace tl::pace_scrape_config_test
