#include "compare/gate.hh"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "base/errors.hh"
#include "base/process.hh"
#include "compare/gate_report.hh"
#include "support/made_runs.hh"
#include "support/skip.hh"
#include "support/temporary.hh"

namespace tl::compare_gate_test {
using namespace tl::test;

namespace {

const std::vector<double> kSteady{1.00e9, 1.01e9, 1.02e9, 1.03e9, 1.04e9};
const std::vector<double> kSlow{0.80e9, 0.81e9, 0.82e9, 0.83e9, 0.84e9};

// Runs in a folder of their own, judged by a policy.
struct Bench {
  RunSet runs(const std::vector<double>& goodputs, const MadeRun& like = {}) {
    return read_runs(make_runs(folder.path(), "set" + std::to_string(sets++), goodputs, like));
  }
  TemporaryFolder folder;
  int sets = 0;
};

GateReport judged(const std::string& policy, const RunSet& fresh, const RunSet& base = {}) {
  return apply_policy(parse_policy_text(policy, "policy.yaml"), fresh, base);
}

constexpr const char* kWorse = "gates: [{metric: goodput, max_worse: 5%}]";

}  // namespace

TEST_CASE("a gate passes, fails and is inconclusive as the runs are") {
  Bench bench;
  const RunSet base = bench.runs(kSteady), slow = bench.runs(kSlow), same = bench.runs(kSteady);
  const RunSet few = bench.runs({1e9, 1.01e9, 1.02e9});
  CHECK(judged(kWorse, same, base).verdict == Verdict::pass);
  CHECK(judged(kWorse, slow, base).verdict == Verdict::fail);
  CHECK(judged(kWorse, base, slow).verdict == Verdict::pass);  // better is no regression
  CHECK(judged(kWorse, few, base).verdict == Verdict::inconclusive);
  CHECK(judged("gates: [{metric: goodput, max_worse: 30%}]", slow, base).verdict == Verdict::pass);
  CHECK(judged("gates: [{metric: goodput, max_worse: 100M}]", slow, base).verdict == Verdict::fail);
  CHECK(judged("gates: [{metric: rate_p99, max_worse: 5%, better: lower}]", slow, base).verdict ==
        Verdict::pass);
}

TEST_CASE(
    "an absolute bound without confidence is about these runs, with confidence about such runs") {
  Bench bench;
  const RunSet steady = bench.runs(kSteady), one = bench.runs({1e9});
  const RunSet seven = bench.runs({1.0e9, 1.1e9, 1.2e9, 1.3e9, 1.4e9, 1.5e9, 1.6e9});
  CHECK(judged("gates: [{metric: goodput, at_least: 900M}]", one).verdict == Verdict::pass);
  CHECK(judged("gates: [{metric: goodput, at_least: 1G}]", steady).verdict == Verdict::pass);
  CHECK(judged("gates: [{metric: goodput, at_least: 1.005G}]", steady).verdict == Verdict::fail);
  CHECK(judged("gates: [{metric: longest_stall, at_most: 0.01}]", one).verdict == Verdict::pass);
  CHECK(judged("gates: [{metric: longest_stall, at_most: 0.009}]", one).verdict == Verdict::fail);
  const std::string sure = "gates: [{metric: goodput, at_least: 900M, confidence: 95%}]";
  CHECK(judged(sure, one).verdict == Verdict::inconclusive);
  CHECK(judged(sure, seven).verdict == Verdict::pass);
  CHECK(judged("gates: [{metric: goodput, at_least: 2G, confidence: 95%}]", seven).verdict ==
        Verdict::fail);
}

TEST_CASE("one failed gate fails, one inconclusive gate keeps the rest from passing") {
  Bench bench;
  const RunSet base = bench.runs(kSteady), slow = bench.runs(kSlow);
  const RunSet few = bench.runs({1e9});
  const std::string two =
      "gates:\n- {metric: goodput, max_worse: 5%}\n- {metric: longest_stall, at_most: 0.2}\n";
  CHECK(judged(two, slow, base).verdict == Verdict::fail);
  CHECK(judged(two, few, base).verdict == Verdict::inconclusive);
  CHECK(judged("on_inconclusive: fail\n" + two, few, base).verdict == Verdict::fail);
  CHECK(judged("on_inconclusive: pass\n" + two, few, base).verdict == Verdict::pass);
}

TEST_CASE("runs that are no valid measurement are inconclusive, whatever their numbers") {
  Bench bench;
  MadeRun invalid;
  invalid.changes = {{"outcome", {{"verdict", "inconclusive"}}}};
  const RunSet bad = bench.runs({1e9}, invalid);
  const GateReport report = judged("gates: [{metric: goodput, at_least: 1}]", bad);
  CHECK(report.verdict == Verdict::inconclusive);
  CHECK(report.results.front().reason == "set0-0: the run's own verdict is inconclusive");
  MadeRun other;
  other.changes = {{"versions", {{"iperf", "iperf 3.18"}}}};
  const RunSet base = bench.runs(kSteady), newer = bench.runs(kSlow, other);
  CHECK(judged(kWorse, newer, base).verdict == Verdict::inconclusive);
  MadeRun none;
  none.has_goodput = false;
  const RunSet unmeasured = bench.runs(kSteady, none);
  CHECK(judged("gates: [{metric: goodput, at_least: 1}]", unmeasured).verdict ==
        Verdict::inconclusive);
}

TEST_CASE("a gate that can evaluate nothing is refused with file and line") {
  Bench bench;
  const RunSet runs = bench.runs(kSteady);
  const auto refused = [&](const std::string& policy, const std::string& message) {
    CAPTURE(policy);
    try {
      judged(policy, runs);
      FAIL("accepted");
    } catch (const UsageError& e) {
      CHECK(std::string{e.what()}.find(message) != std::string::npos);
    }
  };
  refused("gates:\n- metric: godput\n  at_least: 1\n",
          "policy.yaml:2: metric 'godput': unknown (the runs have: goodput, longest_stall");
  refused("gates: []", "policy.yaml:1: gates: expected a list with at least one gate");
  refused("confidence: 95%", "expected a list with at least one gate");
  refused(kWorse, "policy.yaml:1: max_worse: needs a baseline");
  refused("gates:\n- {metric: goodput}\n", "policy.yaml:2: gate of 'goodput': expected one of");
  refused("gates:\n- {metric: goodput, at_least: 1, at_most: 2}\n", "expected one of");
  refused("gates:\n- {metric: goodput, atleast: 1}\n", "policy.yaml:2: unknown key 'atleast'");
  refused("confidence: 120%\ngates: [{metric: goodput, at_least: 1}]", "policy.yaml:1: confidence");
  refused("gates:\n- {metric: goodput, at_least: fast}\n", "policy.yaml:2: at_least 'fast'");
  refused("gates:\n- {metric: goodput, at_least: 1, better: more}\n", "expected higher, lower");
  refused("on_inconclusive: maybe\ngates: [{metric: goodput, at_least: 1}]",
          "on_inconclusive 'maybe': expected inconclusive, fail, pass");
  refused("gates: [", "policy.yaml:1: ");
  refused("", "policy.yaml:1: policy: expected keys and values");
}

TEST_CASE("JUnit XML keeps to the common schema and has a case a gate") {
  Bench bench;
  const RunSet base = bench.runs(kSteady), slow = bench.runs(kSlow);
  const GateReport report =
      apply_policy(parse_policy_text("gates:\n- {metric: goodput, max_worse: 5%}\n"
                                     "- {metric: goodput, at_least: 1}\n"
                                     "- {metric: goodput, at_least: 1, confidence: 99%}\n",
                                     "a<b>&\"policy\".yaml"),
                   slow, base);
  const std::string xml = gate_junit(report);
  CHECK(xml.find("tests=\"3\" failures=\"1\"") != std::string::npos);
  CHECK(xml.find("skipped=\"1\"") != std::string::npos);
  CHECK(xml.find("<failure type=\"fail\" message=\"-19.6 %") != std::string::npos);
  CHECK(xml == gate_junit(report));
  if (!std::filesystem::exists("/usr/bin/xmllint")) TL_SKIP("no xmllint");
  const std::filesystem::path file = bench.folder.path() / "junit.xml";
  std::ofstream{file} << xml;
  const CommandResult lint =
      run_command({"xmllint", "--noout", "--schema", TL_SOURCE_DIR "/tests/unit/compare/junit.xsd",
                   file.native()},
                  std::chrono::seconds{20});
  CHECK_MESSAGE(lint.status.code == 0, lint.err);
}

TEST_CASE("annotations point at the policy's line and escape what would end them") {
  Bench bench;
  const RunSet base = bench.runs(kSteady), slow = bench.runs(kSlow);
  const std::string text =
      gate_annotations(judged("gates:\n- {metric: goodput, max_worse: 5%}\n", slow, base));
  CHECK(text.find("::error file=policy.yaml,line=2,title=goodput max_worse 5%25 fail::-19.6 %25: "
                  "820.00 Mbit/s against") == 0);
  CHECK(gate_annotations(judged(kWorse, base, slow)).empty());
}

TEST_CASE("the Markdown summary and the JSON hold value, limit, change and reason") {
  Bench bench;
  const RunSet base = bench.runs(kSteady), slow = bench.runs(kSlow);
  const GateReport report = judged(kWorse, slow, base);
  const std::string page = gate_markdown(report);
  for (const char* part : {"### trafficlab gate: fail", "`goodput max_worse 5%`", "820.00 Mbit/s",
                           "1.02 Gbit/s", "worse by more than 5 %"})
    CHECK_MESSAGE(page.find(part) != std::string::npos, page);
  const auto json = gate_json(report);
  CHECK(json.at("verdict") == "fail");
  CHECK(json.at("gates").at(0).at("values").size() == 5);
  CHECK(gate_text(report).find("verdict: fail") != std::string::npos);
}
}  // namespace tl::compare_gate_test
