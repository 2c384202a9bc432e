#include "compare/comparison.hh"

#include <doctest/doctest.h>

#include <fstream>

#include "base/errors.hh"
#include "bundle/manifest.hh"
#include "compare/comparison_report.hh"
#include "compare/limit.hh"
#include "support/made_runs.hh"
#include "support/temporary.hh"

namespace tl::compare_comparison_test {
using namespace tl::test;

namespace {

const std::vector<double> kSteady{1.00e9, 1.01e9, 1.02e9, 1.03e9, 1.04e9};
const std::vector<double> kSlow{0.80e9, 0.81e9, 0.82e9, 0.83e9, 0.84e9};

const Difference* find(const std::vector<Difference>& all, const std::string& key) {
  for (const Difference& d : all)
    if (d.key == key) return &d;
  return nullptr;
}

Severity severity_when(const nlohmann::json& changes, const std::string& key) {
  const TemporaryFolder folder;
  MadeRun changed;
  changed.changes = changes;
  const auto found = differences(read_runs({make_run(folder.path() / "a")}),
                                 read_runs({make_run(folder.path() / "b", changed)}));
  const Difference* d = find(found, key);
  REQUIRE_MESSAGE(d != nullptr, key);
  return d->severity;
}

std::string experiment(const std::string& what) { return "duration: 60s\n" + what + "\n"; }

}  // namespace

TEST_CASE("differences in what was run are blocking") {
  CHECK(severity_when({{"experiment", experiment("traffic: {protocol: udp}")}},
                      "experiment.traffic.protocol") == Severity::blocking);
  CHECK(severity_when({{"experiment", experiment("traffic: {parallel: 4}")}},
                      "experiment.traffic.parallel") == Severity::blocking);
  CHECK(severity_when({{"engine", {{"name", "docker"}}}}, "engine.name") == Severity::blocking);
  CHECK(severity_when({{"versions", {{"iperf", "iperf 3.18"}}}}, "versions.iperf") ==
        Severity::blocking);
  CHECK(severity_when({{"outcome", {{"verdict", "inconclusive"}}}}, "outcome.verdict") ==
        Severity::blocking);
  CHECK(severity_when(
            {{"agents",
              {{"environment", {{"iperf-client", {{"devices", {{"eth0", {{"mtu", 9000}}}}}}}}}}}},
            "environment.iperf-client.devices.eth0.mtu") == Severity::blocking);
}

TEST_CASE("differences in where it was run are warnings") {
  CHECK(severity_when({{"host", {{"kernel", {{"release", "6.18.0"}}}}}}, "host.kernel.release") ==
        Severity::warning);
  CHECK(severity_when({{"host", {{"cpu", {{"online", 8}}}}}}, "host.cpu.online") ==
        Severity::warning);
  CHECK(severity_when(
            {{"agents",
              {{"environment",
                {{"iperf-client", {{"sysctls", {{"net.ipv4.tcp_congestion_control", "bbr"}}}}}}}}}},
            "environment.iperf-client.sysctls.net.ipv4.tcp_congestion_control") ==
        Severity::warning);
  CHECK(severity_when({{"experiment", experiment("capture: {snaplen: 200}")}},
                      "experiment.capture.snaplen") == Severity::warning);
}

TEST_CASE("names and subnets are cosmetic, times and run ids are not compared") {
  CHECK(severity_when({{"experiment", experiment("name: other")}}, "experiment.name") ==
        Severity::cosmetic);
  CHECK(severity_when({{"engine", {{"facts", {{"subnet", "198.18.0.16/28"}}}}}},
                      "engine.facts.subnet") == Severity::cosmetic);
  const TemporaryFolder folder;
  MadeRun later;
  later.changes = {{"started", "2027-01-01T00:00:00.000000000Z"}, {"run_id", "ffffff"}};
  CHECK(differences(read_runs({make_run(folder.path() / "a")}),
                    read_runs({make_run(folder.path() / "b", later)}))
            .empty());
}

TEST_CASE("a blocking difference compares nothing unless forced, and force is recorded") {
  const TemporaryFolder folder;
  MadeRun other;
  other.changes = {{"engine", {{"name", "docker"}}}};
  const RunSet base = read_runs(make_runs(folder.path(), "a", kSteady));
  const RunSet fresh = read_runs(make_runs(folder.path(), "b", kSteady, other));
  const Comparison refused = compare(base, fresh, {});
  CHECK(refused.verdict == Verdict::inconclusive);
  CHECK(refused.metrics.empty());
  CHECK(refused.reason.find("engine.name is docker against netns") != std::string::npos);
  ComparisonOptions forced;
  forced.is_forced = true;
  const Comparison done = compare(base, fresh, forced);
  CHECK(done.verdict == Verdict::pass);
  CHECK(comparison_json(done).at("is_forced") == true);
}

TEST_CASE("slower runs fail, equal runs pass, three runs are inconclusive") {
  const TemporaryFolder folder;
  const auto base = make_runs(folder.path(), "base", kSteady);
  const auto slow = make_runs(folder.path(), "slow", kSlow);
  const auto same = make_runs(folder.path(), "same", {1.005e9, 1.015e9, 1.025e9, 1.035e9, 1.045e9});
  CHECK(compare(read_runs(base), read_runs(slow), {}).verdict == Verdict::fail);
  CHECK(compare(read_runs(slow), read_runs(base), {}).verdict == Verdict::pass);
  CHECK(compare(read_runs(base), read_runs(same), {}).verdict == Verdict::pass);
  const Comparison few =
      compare(read_runs({base[0], base[1], base[2]}), read_runs({slow[0], slow[1], slow[2]}), {});
  CHECK(few.verdict == Verdict::inconclusive);
  CHECK(few.reason.find("at least 4") != std::string::npos);
}

TEST_CASE("several judged metrics share the error, so more runs are needed") {
  const TemporaryFolder folder;
  const auto base = make_runs(folder.path(), "base", {1.00e9, 1.01e9, 1.02e9, 1.03e9});
  const auto slow = make_runs(folder.path(), "slow", {0.80e9, 0.81e9, 0.82e9, 0.83e9});
  CHECK(compare(read_runs(base), read_runs(slow), {}).verdict == Verdict::fail);
  ComparisonOptions both;
  both.judged = {"goodput", "longest_stall"};
  const Comparison c = compare(read_runs(base), read_runs(slow), both);
  CHECK(c.verdict == Verdict::inconclusive);
  CHECK(c.metrics.front().decision.reason.find("at least 5") != std::string::npos);
}

TEST_CASE("a run without the metric makes it inconclusive and is named with its reason") {
  const TemporaryFolder folder;
  const auto base = make_runs(folder.path(), "base", kSteady);
  auto fresh = make_runs(folder.path(), "fresh", kSteady);
  MadeRun none;
  none.has_goodput = false;
  fresh.push_back(make_run(folder.path() / "broken", none));
  const Comparison c = compare(read_runs(base), read_runs(fresh), {});
  CHECK(c.verdict == Verdict::inconclusive);
  CHECK(c.reason == "goodput: broken: iperf left no complete result");
}

TEST_CASE("an unknown metric is refused with the known ones, and a run counts once") {
  const TemporaryFolder folder;
  const auto base = make_runs(folder.path(), "base", kSteady);
  ComparisonOptions options;
  options.judged = {"goodputt"};
  CHECK_THROWS_WITH_AS(
      compare(read_runs(base), read_runs(base), options),
      "metric 'goodputt': unknown (the runs have: goodput, longest_stall, rate_p99)", UsageError);
  CHECK_THROWS_AS(read_runs({base[0], base[0]}), UsageError);
}

TEST_CASE("of a series the warm-up runs do not count") {
  const TemporaryFolder folder;
  const std::filesystem::path series = folder.path() / "series";
  make_runs(series, "run", kSteady);
  nlohmann::json manifest{{"schema", kBundleSchema}, {"runs", nlohmann::json::array()}};
  for (int i = 0; i < 5; ++i)
    manifest["runs"].push_back({{"bundle", "run-" + std::to_string(i)},
                                {"arm", i % 2 == 0 ? "a" : "b"},
                                {"is_warmup", i == 0}});
  write_manifest(series, manifest);
  CHECK(read_runs({series}).size() == 4);
  CHECK(read_runs({series}).front().bundle.filename() == "run-1");
  CHECK(read_arm(series, "a").size() == 2);
  CHECK(verify_bundle(series).empty());
}

TEST_CASE("the forms of a comparison hold every metric, and twice the same bytes") {
  const TemporaryFolder folder;
  const auto base = make_runs(folder.path(), "base", kSteady);
  const auto slow = make_runs(folder.path(), "slow", kSlow);
  const Comparison c = compare(read_runs(base), read_runs(slow), {});
  const std::string json = comparison_json(c).dump(1);
  CHECK(json == comparison_json(compare(read_runs(base), read_runs(slow), {})).dump(1));
  for (const std::string& text :
       {json, comparison_text(c), comparison_markdown(c), comparison_csv(c)})
    for (const char* name : {"goodput", "longest_stall", "rate_p99"})
      CHECK(text.find(name) != std::string::npos);
  CHECK(comparison_text(c).find("-19.6 %") != std::string::npos);
  CHECK(comparison_markdown(c).find("**fail**") == 0);
  CHECK(comparison_json(c).at("bootstrap").at("seed") == kBootstrapSeed);
}

TEST_CASE("limits and confidence as people write them") {
  CHECK(parse_limit("5%").amount == 0.05);
  CHECK(parse_limit("5%").is_relative);
  CHECK(parse_limit("0.2").amount == 0.2);
  CHECK_FALSE(parse_limit("0.2").is_relative);
  CHECK(parse_limit("-5%").amount == -0.05);
  CHECK(parse_amount("900M", "limit") == 900e6);
  CHECK(parse_confidence("99%") == 0.99);
  CHECK(parse_confidence("0.9") == 0.9);
  for (const char* bad : {"", "%", "5%%", "x", "nan", "inf", "-100%"})
    CHECK_THROWS_AS(parse_limit(bad), UsageError);
  for (const char* bad : {"", "100%", "1", "20%", "95 %"})
    CHECK_THROWS_AS(parse_confidence(bad), UsageError);
}
}  // namespace tl::compare_comparison_test
