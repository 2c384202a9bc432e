#include "run/series.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/clock.hh"
#include "base/fd.hh"
#include "run/doctor.hh"
#include "spec/parse.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kUnfinished = ".partial";

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
    const fs::path partial = root / (final_name + kUnfinished);
    if (fs::exists(root / final_name)) continue;
    if (::mkdir(partial.c_str(), 0755) == 0) return partial;
    if (errno != EEXIST) throw_errno("make folder", partial.native());
  }
}

// The folder of a series that goes on, under its unfinished name again.
fs::path reopen_series_folder(const fs::path& given) {
  fs::path folder = fs::canonical(given);
  if (folder.extension() == kUnfinished) return folder;
  fs::path partial = folder;
  partial += kUnfinished;
  if (::rename(folder.c_str(), partial.c_str()) != 0) throw_errno("rename", folder.native());
  return partial;
}

// Before the first run: a series of hours is not to end at a combination that cannot run here.
void check_machine(const SeriesRequest& request) {
  for (const Arm& arm : request.plan.arms) {
    const std::string problem =
        first_missing(examine({.results = request.results, .experiment = arm.experiment}));
    if (!problem.empty())
      throw MachineError{arm.values.empty()
                             ? problem
                             : fmt::format("{}: {}", combination_text(arm.values), problem)};
  }
}

class Series {
 public:
  Series(SeriesRequest& request, StopSignals& stop, Progress& progress)
      : request_{request}, plan_{request.plan}, stop_{stop}, progress_{progress} {}

  RunReport run() {
    open();
    bool is_complete = true;
    for (const json& run : plan_.runs) count(run, "");
    for (std::size_t i = plan_.runs.size(); i < plan_.turns.size() && is_complete; ++i)
      is_complete = take(plan_.turns[i], i);
    finish(is_complete);
    report_.bundle = folder_;
    report_.summary =
        fmt::format("series: {} of {} runs, {}{}{}\n", plan_.runs.size(), plan_.turns.size(),
                    report_.outcome.verdict, report_.outcome.reason.empty() ? "" : ": ",
                    report_.outcome.reason);
    if (!is_complete)
      report_.summary += fmt::format("go on with: trafficlab {} --resume {}\n",
                                     plan_.kind == "ab" ? "ab" : "run", folder_.native());
    return report_;
  }

 private:
  void open() {
    folder_ = request_.resumed.empty()
                  ? make_series_folder(request_.results, plan_.name, started_ns_)
                  : reopen_series_folder(request_.resumed);
    lock_ = open_fd(folder_, O_RDONLY | O_DIRECTORY);
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
      throw UsageError{
          fmt::format("resume {}: another process is at work in it", folder_.native())};
    if (request_.resumed.empty())
      for (const auto& [name, text] : plan_.files) write_file_atomic(folder_ / name, text);
    write_plan(plan_, folder_);
  }

  // Returns whether the series goes on.
  bool take(const Turn& turn, std::size_t number) {
    const Arm& arm = plan_.arms[turn.arm];
    progress_.note(fmt::format("run {} of {}{}{}{}", number + 1, plan_.turns.size(),
                               plan_.kind == "ab" ? ", arm " + arm.name : "",
                               arm.values.empty() ? "" : ", " + combination_text(arm.values),
                               turn.is_warmup ? ", warm-up" : ""));
    const RunReport done = run_experiment({.experiment = arm.experiment,
                                           .compose_file = plan_.compose_file,
                                           .results = folder_ / "runs",
                                           .argv = request_.argv},
                                          stop_, progress_);
    plan_.runs.push_back({{"bundle", done.bundle.lexically_relative(folder_).native()},
                          {"arm", arm.name},
                          {"round", turn.round},
                          {"is_warmup", turn.is_warmup},
                          {"verdict", done.outcome.verdict},
                          {"exit_code", static_cast<int>(done.outcome.exit_code)}});
    write_plan(plan_, folder_);
    count(plan_.runs.back(), done.outcome.reason);
    const ExitCode code = done.outcome.exit_code;
    const bool goes_on = code == ExitCode::pass || code == ExitCode::inconclusive;
    if (!goes_on) report_.outcome.phase = done.outcome.phase;
    return goes_on;
  }

  // The series is as bad as its worst run: one that ended it, else one that is inconclusive and no
  // warm-up.
  void count(const json& run, const std::string& reason) {
    const auto code = static_cast<ExitCode>(run.at("exit_code").get<int>());
    const bool is_tolerated =
        code == ExitCode::pass ||
        (code == ExitCode::inconclusive &&
         (run.at("is_warmup").get<bool>() || report_.outcome.exit_code != ExitCode::pass));
    if (is_tolerated) return;
    const std::string bundle = run.at("bundle").get<std::string>();
    report_.outcome = {run.at("verdict").get<std::string>(), code, "report",
                       reason.empty() ? bundle + " is inconclusive" : bundle + ": " + reason};
  }

  void write() {
    json arms = json::object();
    for (const Arm& arm : plan_.arms)
      if (!arm.values.empty()) {
        arms[arm.name] = json::object();
        for (const auto& [path, value] : arm.values) arms[arm.name][path] = value;
      }
    json manifest{{"schema", kBundleSchema},
                  {"series", plan_.kind},
                  {"outcome", report_.outcome},
                  {"started", utc_iso(started_ns_)},
                  {"finished", utc_iso(realtime_ns())},
                  {"argv", request_.argv},
                  {"experiment", write_experiment(plan_.arms.front().experiment)},
                  {"runs", plan_.runs},
                  {"replaced", plan_.replaced}};
    if (plan_.kind == "matrix") {
      manifest["arms"] = arms;
      manifest["seed"] = plan_.seed;
    }
    write_manifest(folder_, std::move(manifest));
  }

  void finish(bool is_complete) {
    write();
    fs::path final_path = folder_;
    final_path.replace_extension();  // .partial
    if (::rename(folder_.c_str(), final_path.c_str()) != 0)
      throw_errno("rename bundle to", final_path.native());
    folder_ = final_path;
    sync_folder(folder_.parent_path());
    if (!is_complete || !request_.conclude) return;
    for (const auto& [name, text] : request_.conclude(folder_))
      write_file_atomic(folder_ / name, text);
    write();
  }

  const SeriesRequest& request_;
  SeriesPlan& plan_;
  StopSignals& stop_;
  Progress& progress_;
  std::int64_t started_ns_ = realtime_ns();
  fs::path folder_;
  UniqueFd lock_;
  RunReport report_;
};

}  // namespace

RunReport run_series(SeriesRequest request, StopSignals& stop, Progress& progress) {
  check_machine(request);
  return Series{request, stop, progress}.run();
}

}  // namespace tl
