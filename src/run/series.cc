#include "run/series.hh"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/clock.hh"
#include "base/fd.hh"
#include "spec/parse.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// STAMP-NAME[-2…].partial below `results`.
fs::path make_series_folder(const fs::path& results, const std::string& name,
                            std::int64_t started_ns) {
  std::error_code error;
  fs::create_directories(results, error);
  const fs::path root = fs::canonical(results, error);
  if (error)
    throw MachineError{
        fmt::format("make results folder {}: {}", results.native(), error.message())};
  const std::string base = utc_compact(started_ns) + "-" + name;
  for (int attempt = 1;; ++attempt) {
    const std::string final_name = attempt == 1 ? base : fmt::format("{}-{}", base, attempt);
    const fs::path partial = root / (final_name + ".partial");
    if (fs::exists(root / final_name)) continue;
    if (::mkdir(partial.c_str(), 0755) == 0) return partial;
    if (errno != EEXIST) throw_errno("make folder", partial.native());
  }
}

class Series {
 public:
  Series(const SeriesRequest& request, StopSignals& stop, Progress& progress)
      : request_{request}, stop_{stop}, progress_{progress} {}

  RunReport run() {
    folder_ =
        make_series_folder(request_.results, request_.arms.front().experiment.name, started_ns_);
    for (const Arm& arm : request_.arms)
      write_file_atomic(folder_ / (arm.name.empty() ? "experiment.yaml" : arm.name + ".yaml"),
                        write_experiment(arm.experiment));
    bool is_complete = true;
    for (std::size_t i = 0; i < request_.turns.size() && is_complete; ++i)
      is_complete = take(request_.turns[i], i);
    finish(is_complete);
    report_.bundle = folder_;
    report_.summary =
        fmt::format("series: {} of {} runs, {}{}{}\n", runs_.size(), request_.turns.size(),
                    report_.outcome.verdict, report_.outcome.reason.empty() ? "" : ": ",
                    report_.outcome.reason);
    return report_;
  }

 private:
  // Returns whether the series goes on.
  bool take(const Turn& turn, std::size_t number) {
    const Arm& arm = request_.arms[turn.arm];
    progress_.note(fmt::format("run {} of {}{}{}", number + 1, request_.turns.size(),
                               arm.name.empty() ? "" : ", arm " + arm.name,
                               turn.is_warmup ? ", warm-up" : ""));
    RunRequest one;
    one.experiment = arm.experiment;
    one.compose_file = request_.compose_file;
    one.results = folder_ / "runs";
    one.argv = request_.argv;
    const RunReport done = run_experiment(one, stop_, progress_);
    runs_.push_back({{"bundle", done.bundle.lexically_relative(folder_).native()},
                     {"arm", arm.name},
                     {"pair", turn.pair},
                     {"is_warmup", turn.is_warmup},
                     {"verdict", done.outcome.verdict}});
    const ExitCode code = done.outcome.exit_code;
    const bool goes_on = code == ExitCode::pass || code == ExitCode::inconclusive;
    const bool counts = code != ExitCode::pass && !(turn.is_warmup && goes_on);
    if (counts && report_.outcome.exit_code == ExitCode::pass) {
      report_.outcome = done.outcome;
      report_.outcome.reason = fmt::format("run {}: {}", number + 1, done.outcome.reason);
    } else if (!goes_on) {
      report_.outcome = done.outcome;
    }
    return goes_on;
  }

  void write(const std::string& experiment) {
    write_manifest(folder_, {{"schema", kBundleSchema},
                             {"series", request_.kind},
                             {"outcome", report_.outcome},
                             {"started", utc_iso(started_ns_)},
                             {"finished", utc_iso(realtime_ns())},
                             {"argv", request_.argv},
                             {"experiment", experiment},
                             {"runs", runs_}});
  }

  void finish(bool is_complete) {
    const std::string experiment = write_experiment(request_.arms.front().experiment);
    write(experiment);
    fs::path final_path = folder_;
    final_path.replace_extension();  // .partial
    if (::rename(folder_.c_str(), final_path.c_str()) != 0)
      throw_errno("rename bundle to", final_path.native());
    folder_ = final_path;
    sync_folder(folder_.parent_path());
    if (!is_complete || !request_.conclude) return;
    for (const auto& [name, text] : request_.conclude(folder_))
      write_file_atomic(folder_ / name, text);
    write(experiment);
  }

  const SeriesRequest& request_;
  StopSignals& stop_;
  Progress& progress_;
  std::int64_t started_ns_ = realtime_ns();
  fs::path folder_;
  json runs_ = json::array();
  RunReport report_;
};

}  // namespace

std::vector<Turn> repeated(std::size_t warmups, std::size_t count) {
  std::vector<Turn> turns;
  for (std::size_t i = 0; i < warmups + count; ++i)
    turns.push_back({0, i < warmups, i < warmups ? i : i - warmups});
  return turns;
}

std::vector<Turn> alternating(std::size_t warmups, std::size_t pairs) {
  std::vector<Turn> turns;
  for (std::size_t i = 0; i < warmups; ++i)
    for (const std::size_t arm : {0U, 1U}) turns.push_back({arm, true, i});
  for (std::size_t i = 0; i < pairs; ++i)
    for (const std::size_t half : {0U, 1U}) turns.push_back({(i + half) % 2, false, i});
  return turns;
}

RunReport run_series(const SeriesRequest& request, StopSignals& stop, Progress& progress) {
  return Series{request, stop, progress}.run();
}

}  // namespace tl
