#include "run/run.hh"

#include <fmt/format.h>
#include <unistd.h>

#include <random>

#include "analysis/findings.hh"
#include "base/clock.hh"
#include "base/dump_json.hh"
#include "base/fd.hh"
#include "base/privileges.hh"
#include "base/version.hh"
#include "lab/journal.hh"
#include "report/report.hh"
#include "run/describe.hh"
#include "run/host_facts.hh"
#include "run/sequence.hh"
#include "spec/parse.hh"

namespace tl {
namespace {

using nlohmann::literals::operator""_json_pointer;

std::string new_run_id() {
  std::random_device random;
  return fmt::format("{:06x}", random() & 0xffffffU);
}

// The verdict for the failure that ended a run.
std::string verdict_of(ExitCode code) {
  return code == ExitCode::traffic || code == ExitCode::check_failed ? "fail" : "inconclusive";
}

// Runs one step; the first failure of a run decides its outcome.
template <class Step>
bool attempt(const Sequence& sequence, Outcome& outcome, Step&& step) {
  try {
    step();
    return true;
  } catch (const Error& e) {
    if (outcome.exit_code == ExitCode::pass)
      outcome = {verdict_of(e.code()), e.code(), sequence.phase(), e.what()};
  } catch (const std::exception& e) {
    if (outcome.exit_code == ExitCode::pass)
      outcome = {"inconclusive", ExitCode::machine, sequence.phase(), e.what()};
  }
  return false;
}

void execute(Sequence& sequence, Outcome& outcome) {
  const bool ran = attempt(sequence, outcome, [&] {
    sequence.preflight();
    sequence.clean();
    sequence.up();
    sequence.arm();
    sequence.traffic();
  });
  // Evidence of a failed run is kept as well: what was counted and captured until then is sealed
  // and gathered.
  const bool has_evidence = ran || sequence.phase() == "traffic" || sequence.phase() == "arm";
  if (has_evidence) {
    attempt(sequence, outcome, [&] { sequence.stop(ran); });
    attempt(sequence, outcome, [&] { sequence.gather(ran); });
  }
  sequence.down();
}

// The versions of what measured: the controller's libraries, and what the services said of theirs.
nlohmann::json versions(const std::filesystem::path& bundle) {
  nlohmann::json versions = tool_versions();
  const auto add = [&](const char* name, const std::filesystem::path& file,
                       const nlohmann::json::json_pointer& where) {
    const nlohmann::json document =
        nlohmann::json::parse(read_value(bundle / file), nullptr, false);
    versions[name] = document.is_object() ? document.value(where, nlohmann::json()) : nullptr;
  };
  add("libbpf", "counters/counters.json", "/library"_json_pointer);
  add("capture", "captures/iperf-client.capture.json", "/library"_json_pointer);
  add("iperf", "iperf/client.json", "/start/version"_json_pointer);
  return versions;
}

// All of it but the outcome.
nlohmann::json make_manifest(const RunRequest& request, const Sequence& sequence,
                             std::int64_t started_ns, const std::filesystem::path& bundle) {
  nlohmann::json manifest = sequence.record();
  manifest["schema"] = kBundleSchema;
  manifest["started"] = utc_iso(started_ns);
  manifest["finished"] = utc_iso(realtime_ns());
  manifest["argv"] = request.argv;
  manifest["experiment"] = write_experiment(request.experiment);
  manifest["host"] = host_facts();
  manifest["versions"] = versions(bundle);
  return manifest;
}

// A report that could not be made taints no number: the run keeps its verdict, and
// `trafficlab report` can try again.
void write_reports(const RunFolder& folder, const nlohmann::json& manifest, Progress& progress) {
  try {
    const ReportInput input{folder.path(), folder.final_path().filename().native(), manifest};
    for (const auto& [name, text] : make_reports(input))
      write_file_atomic(folder.path() / name, text);
  } catch (const std::exception& e) {
    progress.note(std::string{"no report: "} + e.what());
  }
}

// Its readers get it as text, in which every string is UTF-8.
nlohmann::json as_read(const nlohmann::json& manifest) {
  return nlohmann::json::parse(dump_json(manifest));
}

// The part of a run that has a folder, which becomes the bundle.
RunReport run_in_folder(const RunRequest& request, Journal& journal, RunFolder& folder,
                        std::int64_t started_ns, StopSignals& stop, Progress& progress) {
  write_file_atomic(folder.path() / "experiment.yaml", write_experiment(request.experiment));
  RunReport report;
  Sequence sequence{request, journal, folder, stop, progress};
  execute(sequence, report.outcome);

  progress.phase("report", "checking the evidence");
  Findings findings;
  attempt(sequence, report.outcome, [&] {
    findings = find(folder.path(), sequence.traffic_window());
    for (const auto& [path, text] : findings.files) {
      std::filesystem::create_directories((folder.path() / path).parent_path());
      write_file_atomic(folder.path() / path, text);
    }
    write_file_atomic(folder.path() / "summary.json", summary_text(findings));
    if (report.outcome.exit_code == ExitCode::pass && !findings.problems.empty())
      report.outcome = {"inconclusive", ExitCode::inconclusive, "report",
                        findings.problems.front()};
  });
  // A run of which not everything can be told still tells how it ended.
  nlohmann::json manifest{{"schema", kBundleSchema}};
  attempt(sequence, report.outcome,
          [&] { manifest = make_manifest(request, sequence, started_ns, folder.path()); });
  manifest["outcome"] = report.outcome;
  manifest = as_read(manifest);
  write_reports(folder, manifest, progress);
  folder.finish(manifest);
  report.bundle = folder.path();
  report.summary = describe(findings, report.outcome);
  return report;
}

}  // namespace

RunReport run_experiment(const RunRequest& request, StopSignals& stop, Progress& progress) {
  const std::int64_t started_ns = realtime_ns();
  Journal journal{new_run_id()};
  std::filesystem::path unfinished;
  try {
    RunFolder folder{request.results,
                     request.experiment.name,
                     started_ns,
                     service_owner().uid,
                     service_owner().gid,
                     [&](const std::filesystem::path& path) {
                       unfinished = path;
                       journal.record("run_folder", path.native());
                     }};
    return run_in_folder(request, journal, folder, started_ns, stop, progress);
  } catch (...) {
    // The next clean-up closes the folder, which it knows from the journal.
    std::error_code none;
    if (std::filesystem::exists(unfinished, none)) journal.keep();
    throw;
  }
}

}  // namespace tl
