#include "compare/series_table.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "bundle/manifest.hh"
#include "compare/run_set.hh"
#include "support/made_runs.hh"
#include "support/temporary.hh"

namespace tl::compare_series_table_test {
using namespace tl::test;
using nlohmann::json;

namespace {

// A matrix of two rates, two runs each, after a warm-up.
std::filesystem::path made_matrix(const std::filesystem::path& folder) {
  make_runs(folder, "run", {1e6, 2e6, 10e6, 4e6, 20e6});
  json manifest{{"schema", kBundleSchema},
                {"runs", json::array()},
                {"arms", {{"01", {{"link.rate", "5M"}}}, {"02", {{"link.rate", "50M"}}}}}};
  for (int i = 0; i < 5; ++i)
    manifest["runs"].push_back({{"bundle", "run-" + std::to_string(i)},
                                {"arm", i % 2 == 1 ? "01" : "02"},
                                {"round", i / 2},
                                {"is_warmup", i == 0},
                                {"verdict", "pass"}});
  write_manifest(folder, manifest);
  return folder;
}

}  // namespace

TEST_CASE("runs.csv has a line a run with its settings, marks warm-ups, and has every metric") {
  const TemporaryFolder folder;
  const std::string csv = series_tables(made_matrix(folder.path())).csv;
  CHECK(csv.starts_with("run,bundle,arm,link.rate,round,is_warmup,verdict,goodput,"));
  CHECK(csv.find("\r\n1,run-0,02,50M,0,true,pass,") != std::string::npos);
  CHECK(csv.find("\r\n4,run-3,01,5M,1,false,pass,4000000,") != std::string::npos);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 6);
}

TEST_CASE("runs.md has a line a combination, with the median and range of the runs that count") {
  const TemporaryFolder folder;
  const std::string page = series_tables(made_matrix(folder.path())).markdown;
  CHECK(page.find("| arm | link.rate | runs | goodput |") == 0);
  CHECK_MESSAGE(
      page.find("| 01 | 5M | 2 | 3.00 Mbit/s (2.00 Mbit/s … 4.00 Mbit/s) |") != std::string::npos,
      page);
  CHECK_MESSAGE(page.find("| 02 | 50M | 2 | 15.00 Mbit/s (10.00 Mbit/s … 20.00 Mbit/s) |") !=
                    std::string::npos,
                page);
}

TEST_CASE("one run has no table of a series") {
  const TemporaryFolder folder;
  make_run(folder.path() / "run");
  CHECK_THROWS_AS((void)series_tables(folder.path() / "run"), UsageError);
}

TEST_CASE("a series whose manifest names a run elsewhere is refused") {
  const TemporaryFolder folder;
  const auto elsewhere = make_run(folder.path() / "elsewhere");
  for (const std::string& named : {elsewhere.native(), std::string{"../elsewhere"}}) {
    CAPTURE(named);
    const auto series = folder.path() / "series";
    std::filesystem::create_directories(series);
    const json run{{"bundle", named}, {"arm", "a"}, {"is_warmup", false}};
    write_manifest(series, {{"schema", kBundleSchema}, {"runs", json::array({run})}});
    const auto refusal = doctest::Contains("' is not inside the series");
    CHECK_THROWS_WITH_AS((void)series_tables(series), refusal, UsageError);
    CHECK_THROWS_WITH_AS((void)read_runs({series}), refusal, UsageError);
    CHECK_THROWS_WITH_AS((void)read_arm(series, "a"), refusal, UsageError);
  }
}
}  // namespace tl::compare_series_table_test
