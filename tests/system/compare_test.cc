// Series, ab, compare and gate with real runs on the netns engine. The load is far below what the
// machine manages, and the limit 30 % where a token bucket takes half, so that a verdict does not
// depend on who else uses it: of so few runs, a single one beyond the limit makes it inconclusive.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "base/fd.hh"
#include "support/lab_run.hh"
#include "support/made_runs.hh"

namespace tl::compare_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

constexpr const char* kCompose = TL_SOURCE_DIR "/compose.yaml";

// Four runs of 100 Mbit/s; `link_rate` "0" or what a token bucket lets through of that.
fs::path series_of(const fs::path& results, const char* link_rate, const char* warmups = "0") {
  const LabRun run =
      run_lab(results, {"--engine", "netns", "--duration", "1", "--bitrate", "100M", "--link-rate",
                        link_rate, "--repeat", "4", "--warmup", warmups});
  REQUIRE_MESSAGE(run.status.ok(), run.err);
  return run.bundle;
}

CommandResult ab(const fs::path& folder, const char* link_rate_b) {
  const std::string experiment = "engine: netns\nduration: 1s\ntraffic: {bitrate: 100M}\n";
  std::ofstream{folder / "a.yaml"} << experiment;
  std::ofstream{folder / "b.yaml"} << experiment << "link: {rate: " << link_rate_b << "}\n";
  return run_command({TL_PROGRAM, "ab", (folder / "a.yaml").native(), (folder / "b.yaml").native(),
                      "--pairs", "6", "--warmup", "0", "--limit", "30%", "--compose", kCompose,
                      "--results", (folder / "results").native(), "--json"},
                     120s);
}

// The text of the fenced block of `page` whose first line is "# NAME".
std::string block(const std::string& page, const std::string& name) {
  const std::size_t begin = page.find("```yaml\n# " + name + "\n");
  REQUIRE_MESSAGE(begin != std::string::npos, name);
  const std::size_t text = page.find('\n', begin) + 1;
  return page.substr(text, page.find("```", text) - text);
}

// The lines that call trafficlab, as a CI system hands them to its shell, each once.
std::vector<std::string> commands(const std::string& yaml) {
  std::vector<std::string> found;
  std::istringstream lines{yaml};
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, std::min(line.find_first_not_of(" -"), line.size()));
    if (line.starts_with("trafficlab ")) found.push_back(line);
  }
  return found;
}

}  // namespace

TEST_CASE(
    "a series is one sealed bundle; runs slowed by a token bucket fail a gate with evidence, equal "
    "ones pass") {
  const TemporaryFolder folder;
  const fs::path base = series_of(folder.path() / "base", "0", "1");
  const fs::path same = series_of(folder.path() / "same", "0");
  const fs::path slow = series_of(folder.path() / "slow", "50M");

  const nlohmann::json manifest = read_json(base / "manifest.json");
  REQUIRE(manifest.at("runs").size() == 5);
  CHECK(manifest.at("runs").at(0).at("is_warmup") == true);
  CHECK(manifest.at("runs").at(4).at("is_warmup") == false);
  CHECK(run_trafficlab({"verify", base.native()}).status.ok());
  CHECK(run_trafficlab({"recompute", base.native()}).status.ok());

  CHECK(run_trafficlab({"compare", same.native(), "--against", base.native()}).status.code == 0);
  CHECK(run_trafficlab({"compare", slow.native(), "--against", base.native()}).status.code == 3);
  const fs::path plot = folder.path() / "overlay.svg";
  const CommandResult forced = run_trafficlab({"compare", slow.native(), "--against", base.native(),
                                               "--force", "--json", "--plot", plot.native()});
  CHECK(forced.status.code == 1);
  const nlohmann::json compared = nlohmann::json::parse(forced.out);
  CHECK(compared.at("base").size() == 4);  // without the warm-up
  CHECK(compared.at("captures").contains("iperf-server"));
  CHECK(read_file(plot).find("iperf-server, received") != std::string::npos);

  const fs::path policy = folder.path() / "policy.yaml", evidence = folder.path() / "evidence";
  std::ofstream{policy} << "gates:\n- {metric: goodput, max_worse: 30%}\n";
  const auto gate = [&](const fs::path& runs) {
    return run_trafficlab({"gate", "--policy", policy.native(), runs.native(), "--baseline",
                           base.native(), "--force", "--evidence", evidence.native()});
  };
  const CommandResult passed = gate(same);
  CHECK_MESSAGE(passed.status.code == 0, passed.out);
  CHECK_FALSE(fs::exists(evidence));
  CHECK(gate(slow).status.code == 1);
  std::size_t slices = 0;
  for (const auto& one : read_json(evidence / "evidence.json")) {
    const fs::path file = evidence / one.at("file").get<std::string>();
    CHECK(must_run({"tcpdump", "--count", "-nr", file.native()}, 20s)
              .starts_with(one.at("packets").dump() + " packet"));
    ++slices;
  }
  CHECK(slices == 6);  // three moments, two captures
}

TEST_CASE("ab: a second experiment slowed by a token bucket fails, an unchanged one passes") {
  const TemporaryFolder slowed, unchanged;
  const CommandResult worse = ab(slowed.path(), "50M");
  CHECK_MESSAGE(worse.status.code == 1, worse.err);
  CHECK(nlohmann::json::parse(worse.out).at("is_paired") == true);
  const CommandResult same = ab(unchanged.path(), "0");
  CHECK_MESSAGE(same.status.code == 0, (same.out + same.err));

  const fs::path bundle = *fs::directory_iterator{slowed.path() / "results"};
  std::string order;
  const nlohmann::json manifest = read_json(bundle / "manifest.json");
  for (const auto& run : manifest.at("runs")) order += run.at("arm").get<std::string>();
  CHECK(order == "abbaabbaabba");
  CHECK(read_json(bundle / "comparison.json").at("verdict") == "fail");
  CHECK(run_trafficlab({"verify", bundle.native()}).status.ok());
}

TEST_CASE("gate: a policy that names an unknown metric ends with 2 and the metrics there are") {
  const TemporaryFolder folder;
  const std::string base = make_run(folder.path() / "base"), now = make_run(folder.path() / "now");
  const std::string policy = (folder.path() / "policy.yaml").native();
  std::ofstream{policy} << "gates:\n  - {metric: goodputt, max_worse: 5%}\n";
  const CommandResult result =
      run_command({TL_PROGRAM, "gate", "--policy", policy, now, "--baseline", base}, 30s);
  CAPTURE(result.err);
  CHECK(result.status.code == 2);
  CHECK(result.err.find("goodputt") != std::string::npos);
  CHECK(result.err.find("longest_stall") != std::string::npos);
}

TEST_CASE("the examples of docs/gate.md run as they stand") {
  const TemporaryFolder folder;
  const std::string page = read_file(TL_SOURCE_DIR "/docs/gate.md");
  for (const char* sub : {"ci", "base", "bin"}) fs::create_directory(folder.path() / sub);
  fs::create_symlink(TL_PROGRAM, folder.path() / "bin" / "trafficlab");
  fs::copy_file(kCompose, folder.path() / "compose.yaml");
  fs::copy_file(kCompose, folder.path() / "base" / "compose.yaml");
  std::ofstream{folder.path() / "ci" / "policy.yaml"} << block(page, "ci/policy.yaml");
  std::string experiment = block(page, "ci/experiment.yaml");
  experiment.replace(experiment.find("10s"), 3, "1s");
  std::ofstream{folder.path() / "ci" / "experiment.yaml"} << experiment;

  std::set<std::string> done;
  for (const char* file : {".github/workflows/traffic.yml", ".gitlab-ci.yml"}) {
    const std::vector<std::string> lines = commands(block(page, file));
    CHECK(lines.size() == 3);
    for (const std::string& line : lines) {
      if (!done.insert(line).second) continue;
      // As CI systems do it: a shell with the line as its script.
      const CommandResult result = run_command(
          {"/usr/bin/env", "-C", folder.path().native(),
           "PATH=" + (folder.path() / "bin").native() + ":/usr/sbin:/usr/bin:/sbin:/bin",
           "GITHUB_STEP_SUMMARY=summary.md", "/bin/sh", "-euc", line},
          120s);
      CHECK_MESSAGE(result.status.ok(), (line + "\n" + result.out + result.err));
    }
  }
  CHECK(read_file(folder.path() / "summary.md").find("trafficlab gate: pass") != std::string::npos);
  CHECK(read_file(folder.path() / "gate.xml").find("tests=\"3\" failures=\"0\"") !=
        std::string::npos);
}
}  // namespace tl::compare_test
