// The metrics of a bundle as a Pushgateway and InfluxDB get them.
#include "live/run_summary.hh"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/errors.hh"
#include "base/fd.hh"
#include "bundle/manifest.hh"
#include "live/exposition.hh"
#include "support/temporary.hh"

namespace tl::live_run_summary_test {
using namespace tl::live;
using namespace tl::test;
using nlohmann::json;

namespace {

json metric(const char* name, const char* unit, const json& value) {
  return {{"name", name},       {"unit", unit},
          {"value", value},     {"direction", "client_to_server"},
          {"definition", name}, {"reason", value.is_null() ? json("no capture") : json()}};
}

void write_run(const std::filesystem::path& folder, const std::string& run_id,
               const std::string& verdict, const json& goodput) {
  std::filesystem::create_directories(folder);
  const json metrics{{"schema", "trafficlab.metrics/1"},
                     {"metrics",
                      {metric("goodput", "bit/s", goodput), metric("loss_ratio", "1", 0.25),
                       metric("rtt_p50", "s", nullptr)}}};
  write_file_atomic(folder / "metrics.json", metrics.dump());
  write_manifest(folder,
                 {{"schema", kBundleSchema},
                  {"run_id", run_id},
                  {"experiment", "name: cubic\n"},
                  {"outcome", {{"verdict", verdict}, {"exit_code", 0}}},
                  {"traffic_window", {{"start_ns", 1}, {"end_ns", 1'700'000'000'500'000'000}}}});
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a run's metrics are gauges with their unit, its id and its experiment") {
  const TemporaryFolder folder;
  write_run(folder.path(), "abc123", "pass", 13309052768.0);
  const std::string page = encode(run_families(read_run_summaries(folder.path())), Format::text);
  CAPTURE(page);
  const std::string labels =
      "{direction=\"client_to_server\",experiment=\"cubic\",run_id=\"abc123\"}";
  CHECK(contains(page, "\ntrafficlab_run_goodput_bytes_per_second" + labels + " 1663631596\n"));
  CHECK(contains(page, "\ntrafficlab_run_loss_ratio" + labels + " 0.25\n"));
  CHECK(contains(page, "\ntrafficlab_run_success{experiment=\"cubic\",run_id=\"abc123\"} 1\n"));
  CHECK(contains(page,
                 "trafficlab_run_info{experiment=\"cubic\",run_id=\"abc123\","
                 "verdict=\"pass\"} 1\n"));
  CHECK_FALSE(contains(page, "rtt_p50"));  // what was not measured is no number
}

TEST_CASE("a run's metrics are fields of one point a direction, at the end of its traffic") {
  const TemporaryFolder folder;
  write_run(folder.path(), "abc123", "inconclusive", 1e9);
  const auto points = run_points(read_run_summaries(folder.path()));
  REQUIRE(points.size() == 2);
  CHECK(encode_point(points[0]).line ==
        "trafficlab_run,experiment=cubic,run_id=abc123 "
        "success=0,exit_code=0i,verdict=\"inconclusive\" 1700000000500000000\n");
  CHECK(encode_point(points[1]).line ==
        "trafficlab_run,direction=client_to_server,experiment=cubic,run_id=abc123 "
        "goodput=1e+09,loss_ratio=0.25 1700000000500000000\n");
}

TEST_CASE("of a series every run is published but the warm-ups") {
  const TemporaryFolder folder;
  json runs = json::array();
  for (const char* id : {"warm", "one", "two"}) {
    const std::string bundle = std::string{"runs/"} + id;
    write_run(folder.path() / bundle, id, "pass", 1e9);
    runs.push_back({{"bundle", bundle}, {"is_warmup", id == std::string{"warm"}}});
  }
  write_manifest(folder.path(), {{"schema", kBundleSchema}, {"runs", runs}});
  const auto summaries = read_run_summaries(folder.path());
  REQUIRE(summaries.size() == 2);
  CHECK(summaries[0].run_id == "one");
  CHECK(summaries[1].run_id == "two");
}

TEST_CASE("a run outside of its series is not published") {
  const TemporaryFolder folder;
  write_run(folder.path() / "other", "other", "pass", 1e9);
  std::filesystem::create_directories(folder.path() / "series");
  write_manifest(folder.path() / "series", {{"schema", kBundleSchema},
                                            {"runs", json::array({json{{"bundle", "../other"}}})}});
  CHECK_THROWS_WITH_AS((void)read_run_summaries(folder.path() / "series"),
                       doctest::Contains("the run '../other' is not inside the series"),
                       UsageError);
}

TEST_CASE("a run that failed early is published with its outcome alone") {
  const TemporaryFolder folder;
  write_run(folder.path(), "abc123", "fail", 1e9);
  std::filesystem::remove(folder.path() / "metrics.json");
  const auto runs = read_run_summaries(folder.path());
  CHECK(run_points(runs).size() == 1);
  CHECK(contains(encode(run_families(runs), Format::text),
                 "trafficlab_run_success{experiment=\"cubic\",run_id=\"abc123\"} 0\n"));
}
}  // namespace tl::live_run_summary_test
