#include "run/run.hh"

#include <doctest/doctest.h>

#include <functional>
#include <memory>

#include "lab/journal.hh"
#include "support/temporary.hh"

namespace tl::run_run_test {
namespace fs = std::filesystem;

namespace {

// A run that ends in its preflight, so that nothing is made but its folder.
RunRequest hopeless(const fs::path& results) {
  RunRequest request;
  request.results = results;
  request.experiment.name = "hopeless";
  request.experiment.engine = "none-such";
  request.argv = {"trafficlab", "run", "--", "--title", "M\xfcller"};
  return request;
}

// Hears each line of progress while the run goes on.
using Listener = std::function<void(const std::string&)>;
using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
File listening(Listener& listener) {
  const auto write = [](void* cookie, const char* text, std::size_t size) {
    (*static_cast<Listener*>(cookie))({text, size});
    return static_cast<ssize_t>(size);
  };
  return {::fopencookie(&listener, "w", {nullptr, write, nullptr, nullptr}), &std::fclose};
}

std::vector<fs::path> folders_in(const fs::path& results) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator{results}) found.push_back(entry.path());
  return found;
}

// The id of the dead run whose journal names this folder; empty when there is none.
std::string journal_of(const fs::path& folder) {
  for (const JournalEntry& entry : list_journals())
    if (!entry.alive && entry.facts.value("run_folder", "") == folder.native()) return entry.run_id;
  return "";
}

}  // namespace

TEST_CASE("run: arguments that are not UTF-8 cost neither the manifest nor the report") {
  const test::TemporaryFolder results;
  Listener ignore = [](const std::string&) {};
  const File file = listening(ignore);
  StopSignals stop;
  Progress progress{file.get()};
  const RunReport report = run_experiment(hopeless(results.path()), stop, progress);
  CHECK(report.outcome.exit_code == ExitCode::machine);
  CHECK(report.outcome.phase == "preflight");
  CHECK(read_manifest(report.bundle).at("argv").back() == "M\uFFFDller");
  CHECK(verify_bundle(report.bundle).empty());
  CHECK(fs::exists(report.bundle / "report.html"));
  CHECK(folders_in(results.path()) == std::vector{report.bundle});
  fs::path partial = report.bundle;
  CHECK(journal_of(partial += ".partial").empty());
}

TEST_CASE("run: a folder that cannot be finished keeps its journal") {
  const test::TemporaryFolder results;
  fs::path partial;
  // Somebody else's folder gets the bundle's name in the last moment.
  Listener spoil = [&](const std::string& line) {
    if (line.find("] report") == std::string::npos) return;
    partial = folders_in(results.path()).at(0);
    fs::path taken = partial;
    fs::create_directories(taken.replace_extension() / "file");
  };
  const File file = listening(spoil);
  StopSignals stop;
  Progress progress{file.get()};
  CHECK_THROWS_WITH_AS((void)run_experiment(hopeless(results.path()), stop, progress),
                       doctest::Contains("rename bundle to"), MachineError);
  REQUIRE_FALSE(partial.empty());
  const std::string run_id = journal_of(partial);
  CHECK_FALSE(run_id.empty());
  forget_journal(run_id);
}
}  // namespace tl::run_run_test
