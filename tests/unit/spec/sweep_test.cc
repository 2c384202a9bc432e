#include "spec/sweep.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "spec/parse.hh"

namespace tl::spec_sweep_test {
namespace {

constexpr const char* kMatrixFile =
    "duration: 5s\n"
    "matrix:\n"
    "  traffic.protocol: [tcp, udp]\n"
    "  traffic.parallel: [1, 4]\n"
    "  link.rate: [100M, 0]\n"
    "  exclude:\n"
    "    - {traffic.protocol: udp, traffic.parallel: 4}\n";

std::string refusal(const std::string& text) {
  try {
    (void)cells(parse_sweep_text(text, "e.yaml"));
  } catch (const UsageError& e) {
    return e.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a matrix is every combination but the excluded ones, the last axis fastest") {
  const std::vector<Cell> found = cells(parse_sweep_text(kMatrixFile, "e.yaml"));
  REQUIRE(found.size() == 6);
  CHECK(combination_text(found[0].values) ==
        "traffic.protocol=tcp traffic.parallel=1 link.rate=100M");
  CHECK(combination_text(found[1].values) == "traffic.protocol=tcp traffic.parallel=1 link.rate=0");
  CHECK(combination_text(found[5].values) == "traffic.protocol=udp traffic.parallel=1 link.rate=0");
  CHECK(found[2].experiment.parallel == 4);
  CHECK(found[2].experiment.link.rate_bps == 100'000'000);
  CHECK(found[4].experiment.protocol == Protocol::udp);
  CHECK(found[4].experiment.duration == std::chrono::seconds{5});
}

TEST_CASE("an experiment without a matrix is one cell without values") {
  const std::vector<Cell> found = cells(parse_sweep_text("duration: 5s\n", "e.yaml"));
  REQUIRE(found.size() == 1);
  CHECK(found[0].values.empty());
}

TEST_CASE("what write_sweep writes, parse_sweep reads back to the same cells") {
  const Sweep sweep = parse_sweep_text(kMatrixFile, "e.yaml");
  const std::string text = write_sweep(sweep);
  const Sweep again = parse_sweep_text(text, "written");
  CHECK(write_sweep(again) == text);
  CHECK(cells(again).size() == 6);
  CHECK(cells(again)[4].values == cells(sweep)[4].values);
}

TEST_CASE("a matrix that means nothing is refused with file, line and reason") {
  CHECK(
      refusal("matrix: {traffic.prot: [1]}")
          .starts_with(
              "e.yaml:1: matrix: 'traffic.prot' is no setting that can vary (known here: engine,"));
  CHECK(refusal("matrix: {name: [a, b]}").find("no setting that can vary") != std::string::npos);
  CHECK(refusal("matrix: {}") == "e.yaml:1: matrix: no setting varies");
  CHECK(refusal("matrix: {traffic.port: 5}") ==
        "e.yaml:1: matrix: traffic.port: expected a list of values");
  CHECK(refusal("matrix:\n  traffic.port: [1, 70000]") ==
        "e.yaml:2: port '70000': expected a whole number from 1 to 65535");
  CHECK(refusal("matrix: {link.rate: [1G, 1000M]}") ==
        "e.yaml:1: matrix: link.rate: 1000M stands twice");
  CHECK(refusal("matrix:\n  traffic.port: [1, 2]\n  exclude: [{traffic.port: 3}]") ==
        "e.yaml:3: matrix: exclude: 3 is none of the values of traffic.port: 1, 2");
  CHECK(refusal("matrix:\n  traffic.port: [1]\n  exclude: [{traffic.port: 1}]") ==
        "matrix: every combination is excluded");
}

TEST_CASE("a combination that is no experiment is refused and named") {
  CHECK(refusal("matrix: {traffic.protocol: [tcp, udp], traffic.congestion: [reno]}") ==
        "matrix, traffic.protocol=udp traffic.congestion=reno: traffic.congestion and traffic.mss "
        "are of TCP, the protocol is udp (exclude it)");
}

TEST_CASE("where one experiment is wanted a matrix is refused") {
  CHECK_THROWS_WITH_AS((void)parse_experiment_text("matrix: {traffic.port: [1, 2]}", "e.yaml"),
                       "e.yaml: has a matrix, which is for `trafficlab run` alone", UsageError);
}
}  // namespace tl::spec_sweep_test
