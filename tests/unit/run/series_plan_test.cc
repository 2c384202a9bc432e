#include "run/series_plan.hh"

#include <doctest/doctest.h>

#include <fstream>

#include "base/errors.hh"
#include "base/fd.hh"
#include "spec/parse.hh"
#include "support/temporary.hh"

namespace tl::run_series_plan_test {
using namespace tl::test;
using nlohmann::json;

namespace {

json entry(int exit_code) {
  return {{"bundle", "runs/x"}, {"arm", "01"},           {"round", 0},
          {"is_warmup", false}, {"verdict", "whatever"}, {"exit_code", exit_code}};
}

// A matrix of four combinations, two rounds, with its files and series.json in `folder`.
SeriesPlan begun(const std::filesystem::path& folder, const std::vector<int>& exit_codes) {
  std::ofstream{folder / "compose.yaml"} << "services: {}\n";
  const Sweep sweep = parse_sweep_text(
      "name: m\nmatrix: {traffic.parallel: [1, 2], link.rate: [0, 1G]}\n", "m.yaml");
  SeriesPlan plan = plan_sweep(sweep, 1, 2, 7);
  plan.compose_file = folder / "compose.yaml";
  for (const auto& [name, text] : plan.files) write_file_atomic(folder / name, text);
  for (const int code : exit_codes) plan.runs.push_back(entry(code));
  write_plan(plan, folder);
  return plan;
}

std::string refusal(const std::filesystem::path& folder) {
  try {
    (void)read_plan(folder);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a series that goes on has the same experiments in the same order") {
  const TemporaryFolder folder;
  const SeriesPlan plan = begun(folder.path(), {0, 3});
  const SeriesPlan again = read_plan(folder.path());
  CHECK(again.kind == "matrix");
  CHECK(again.name == "m");
  CHECK(again.seed == 7);
  CHECK(again.runs.size() == 2);
  REQUIRE(again.turns.size() == 9);
  REQUIRE(again.arms.size() == 4);
  for (std::size_t i = 0; i < plan.turns.size(); ++i) {
    CHECK(again.turns[i].arm == plan.turns[i].arm);
    CHECK(again.turns[i].round == plan.turns[i].round);
    CHECK(again.turns[i].is_warmup == plan.turns[i].is_warmup);
  }
  for (std::size_t i = 0; i < plan.arms.size(); ++i)
    CHECK(write_experiment(again.arms[i].experiment) == write_experiment(plan.arms[i].experiment));
}

TEST_CASE("the run that ended a series is taken again, and kept as replaced") {
  const TemporaryFolder folder;
  begun(folder.path(), {0, 0, 130});
  const SeriesPlan again = read_plan(folder.path());
  CHECK(again.runs.size() == 2);
  REQUIRE(again.replaced.size() == 1);
  CHECK(again.replaced.at(0).at("exit_code") == 130);
}

TEST_CASE("a series that is complete, none, or of another lab is not resumed") {
  const TemporaryFolder complete, none, changed;
  begun(complete.path(), {0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(refusal(complete.path()).find("all of its 9 runs are there") != std::string::npos);
  CHECK(refusal(none.path()).find("no series") != std::string::npos);
  begun(changed.path(), {0});
  std::ofstream{changed.path() / "compose.yaml"} << "services: {other: {}}\n";
  CHECK(refusal(changed.path()).find("has changed since") != std::string::npos);
}
}  // namespace tl::run_series_plan_test
