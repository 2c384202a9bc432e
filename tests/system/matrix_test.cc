// A matrix with real runs on the netns engine, interrupted and killed and resumed.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>

#include "base/clock.hh"
#include "base/fd.hh"
#include "support/lab_run.hh"
#include "support/qdisc.hh"

namespace tl::matrix_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

// The only folder in `results`.
fs::path only_folder(const fs::path& results) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator{results, none}) found.push_back(entry.path());
  return found.size() == 1 ? found.front() : fs::path{};
}

// Starts a series and sends it a signal in the middle of the run after the first `complete` ones.
ExitStatus run_and_signal(const fs::path& results, const Argv& argv, std::size_t complete,
                          int number) {
  const UniqueFd log = open_fd(results.native() + ".log", O_WRONLY | O_CREAT | O_TRUNC);
  ChildOptions options;
  options.stdout_fd = options.stderr_fd = log.get();
  Child child{argv, options};
  const auto is_there = [&] {
    const fs::path folder = only_folder(results);
    if (folder.empty() || !fs::exists(folder / "series.json")) return false;
    if (read_json(folder / "series.json").at("runs").size() < complete) return false;
    std::error_code none;  // and the next one has begun
    for (const auto& run : fs::directory_iterator{folder / "runs", none})
      if (run.path().extension() == ".partial" && !fs::exists(run.path() / "manifest.json"))
        return true;
    return false;
  };
  const Deadline deadline{120s};
  while (!is_there() && !deadline.passed() && !child.poll_status()) ::poll(nullptr, 0, 20);
  REQUIRE_MESSAGE(is_there(), read_file(results.native() + ".log"));
  child.signal(number);
  const auto status = child.wait(60s);
  REQUIRE(status);
  return *status;
}

std::string order_of(const nlohmann::json& runs) {
  std::string text;
  for (const auto& run : runs)
    text += (run.at("is_warmup") == true ? "w" : "") + run.at("arm").get<std::string>() + " ";
  return text;
}

// A column of runs.csv, without its name.
std::vector<std::string> column(const fs::path& series, const std::string& name) {
  std::istringstream lines{read_file(series / "runs.csv")};
  std::vector<std::string> values;
  std::size_t wanted = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells{line};
    std::vector<std::string> row;
    for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
    if (values.empty() && wanted == 0)
      wanted = static_cast<std::size_t>(std::find(row.begin(), row.end(), name) - row.begin());
    else
      values.push_back(row.at(wanted));
  }
  return values;
}

}  // namespace

TEST_CASE("a matrix that is killed and interrupted goes on where it was, in its recorded order") {
  const TemporaryFolder folder;
  const fs::path results = folder.path() / "results", spec = folder.path() / "m.yaml";
  std::ofstream{spec} << "name: sweep\nengine: netns\nduration: 1s\n"
                         "traffic: {bitrate: 40M}\n"
                         "matrix: {traffic.parallel: [1, 2], link.rate: [0, 20M]}\n";
  const ExitStatus killed =
      run_and_signal(results, lab_argv(results, {"--seed", "7", spec.native()}), 1, SIGKILL);
  CHECK(killed.signal == SIGKILL);
  const fs::path partial = only_folder(results);
  CHECK(partial.extension() == ".partial");
  const std::string turns = read_json(partial / "series.json").at("turns").dump();

  const ExitStatus interrupted =
      run_and_signal(results, {TL_PROGRAM, "run", "--resume", partial.native()}, 3, SIGINT);
  CHECK(interrupted.code == 130);
  const fs::path series = only_folder(results);
  CHECK(series.extension() != ".partial");
  CHECK(read_json(series / "manifest.json").at("outcome").at("exit_code") == 130);

  const CommandResult rest = run_command({TL_PROGRAM, "run", "--resume", series.native()}, 120s);
  REQUIRE_MESSAGE(rest.status.ok(), rest.err);
  CHECK(only_folder(results) == series);
  const nlohmann::json manifest = read_json(series / "manifest.json");
  CHECK(manifest.at("outcome").at("verdict") == "pass");
  CHECK(manifest.at("seed") == 7);
  CHECK(read_json(series / "series.json").at("turns").dump() == turns);
  CHECK(order_of(manifest.at("runs")) == "w02 02 03 01 04 ");
  CHECK(manifest.at("replaced").size() == 1);

  CHECK(column(series, "is_warmup") ==
        std::vector<std::string>{"true", "false", "false", "false", "false"});
  const auto rates = column(series, "link.rate"), goodputs = column(series, "goodput");
  for (std::size_t i = 0; i < goodputs.size(); ++i)
    CHECK((std::stod(goodputs[i]) < 21e6) == (rates[i] == "20M"));
  CHECK(run_trafficlab({"verify", series.native()}).status.ok());
  CHECK(run_trafficlab({"recompute", series.native()}).status.ok());
  CHECK(run_trafficlab({"run", "--resume", series.native()}).status.code == 2);
  for (const std::string& line : inventory())
    for (const auto& run : manifest.at("runs")) {
      const fs::path bundle = series / run.at("bundle").get<std::string>();
      const std::string id = read_json(bundle / "manifest.json").at("run_id").get<std::string>();
      CHECK_MESSAGE(line.find("tl-" + id) == std::string::npos, line);
    }
}

TEST_CASE("a combination that this machine cannot run is refused before the first run") {
  const TemporaryFolder folder;
  const fs::path spec = folder.path() / "m.yaml", results = folder.path() / "results";
  std::ofstream{spec}
      << "engine: netns\nmatrix: {traffic.protocol: [tcp, udp], traffic.mss: [1000]}\n";
  const LabRun wrong = run_lab(results, {spec.native()});
  CHECK(wrong.status.code == 2);
  CHECK_MESSAGE(wrong.err.find("traffic.protocol=udp traffic.mss=1000") != std::string::npos,
                wrong.err);
  CHECK_FALSE(fs::exists(results));

  if (has_netem()) return;
  std::ofstream{spec} << "engine: netns\nduration: 1s\nmatrix: {link.delay: [0, 5ms]}\n";
  const LabRun lacking = run_lab(results, {spec.native()});
  CHECK(lacking.status.code == 4);
  CHECK_MESSAGE(lacking.err.find("link.delay=5ms: link: shape lo: this kernel has no netem") !=
                    std::string::npos,
                lacking.err);
  CHECK_FALSE(fs::exists(results));
}

TEST_CASE("a byte flipped in any file of a series is found, and named") {
  const TemporaryFolder folder;
  const LabRun run =
      run_lab(folder.path() / "results", {"--engine", "netns", "--duration", "1", "--bitrate",
                                          "10M", "--repeat", "2", "--warmup", "0"});
  REQUIRE_MESSAGE(run.status.ok(), run.err);
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator{run.bundle})
    if (entry.is_regular_file() && entry.file_size() > 0) files.push_back(entry.path());
  CHECK(files.size() > 30);
  for (const fs::path& file : files) {
    CAPTURE(file.native());
    std::fstream bytes{file, std::ios::in | std::ios::out | std::ios::binary};
    const auto middle = static_cast<std::streamoff>(fs::file_size(file) / 2);
    bytes.seekg(middle);
    const char original = static_cast<char>(bytes.get());
    const auto write = [&](char c) {
      bytes.seekp(middle);
      bytes.put(c).flush();
    };
    write(static_cast<char>(original ^ 1));
    const CommandResult found = run_trafficlab({"verify", run.bundle.native()});
    CHECK(found.status.code != 0);
    CHECK((found.out + found.err).find(file.filename().native()) != std::string::npos);
    write(original);
  }
  CHECK(run_trafficlab({"verify", run.bundle.native()}).status.ok());
}
}  // namespace tl::matrix_test
