#include "run/selftest.hh"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/fd.hh"
#include "bundle/manifest.hh"
#include "lab/engine.hh"
#include "run/clock_step.hh"
#include "run/run.hh"

namespace tl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::array kFaults{
    Fault{"none", "nothing is disturbed", "pass, exit code 0"},
    Fault{"kill-iperf", "the iperf server is killed during the test",
          "fail, exit code 5, and the service is named"},
    Fault{"drop-capture", "the capture agent sleeps until its ring is full",
          "pass: every packet that is missing from the files is in the kernel's drop count"},
    Fault{"stall-reader", "the reader of the counters sleeps longer than their ring lasts",
          "inconclusive, exit code 3: the overrun is on record, the totals are still right"},
    Fault{"clock-step", "CLOCK_REALTIME is set 20 ms ahead for 1.5 s, then back",
          "inconclusive, exit code 3: the steps are on record, no bucket is torn"},
    Fault{"corrupt-file", "one bit of a capture is flipped after the run",
          "pass, and verify names that file"},
};

// The lab while traffic flows.
struct Disturbed {
  const std::vector<Service>& services;
  StopSignals& stop;

  [[nodiscard]] pid_t pid_of(std::string_view name) const {
    for (const Service& service : services)
      if (service.name == name) return service.pid;
    throw UsageError{fmt::format("selftest: the lab has no service '{}'", name)};
  }
  void wait(milliseconds time) const {
    if (stop.wait(Deadline{time})) throw Interrupted{"interrupted during a selftest"};
  }
  // The service sleeps for this time and goes on.
  void suspend(std::string_view name, milliseconds time) const {
    const pid_t pid = pid_of(name);
    if (::kill(pid, SIGSTOP) != 0) throw_errno("suspend service", name);
    const std::unique_ptr<const pid_t, void (*)(const pid_t*)> resumed{
        &pid, [](const pid_t* stopped) { (void)::kill(*stopped, SIGCONT); }};
    wait(time);
  }
};

void kill_iperf(const Disturbed& lab) {
  if (::kill(lab.pid_of("iperf-server"), SIGKILL) != 0) throw_errno("kill", "iperf-server");
}
void drop_capture(const Disturbed& lab) { lab.suspend("capture", milliseconds{1500}); }
// At 100 us the ring holds at most 1.7 s (docs/counters.md).
void stall_reader(const Disturbed& lab) { lab.suspend("counters", milliseconds{2500}); }
void step_clock(const Disturbed& lab) {
  const ClockStep step{milliseconds{20}};
  lab.wait(milliseconds{1500});  // the agent looks at the clock once a second
}

json document(const std::filesystem::path& bundle, const char* name) {
  return json::parse(read_file(bundle / name));
}

std::string text_of(const Outcome& outcome) {
  return fmt::format("{}, exit code {}{}{}", outcome.verdict, static_cast<int>(outcome.exit_code),
                     outcome.reason.empty() ? "" : ": ", outcome.reason);
}

bool is(const Outcome& outcome, const char* verdict, ExitCode code, std::string_view reason = "") {
  return outcome.verdict == verdict && outcome.exit_code == code &&
         outcome.reason.find(reason) != std::string::npos;
}

std::uint64_t dropped(const std::filesystem::path& bundle) {
  std::uint64_t sum = 0;
  const json summary = document(bundle, "summary.json");
  for (const json& capture : summary.at("captures"))
    sum += capture.at("kernel_dropped").get<std::uint64_t>();
  return sum;
}

bool has_exact_totals(const std::filesystem::path& bundle) {
  const json reconciliation = document(bundle, "reconciliation.json");
  return std::all_of(reconciliation.at("identities").begin(), reconciliation.at("identities").end(),
                     [](const json& identity) {
                       return identity.at("name") != "counters = device statistics" ||
                              identity.at("verdict") == "exact";
                     });
}

// Flips one bit in the middle of the file.
void corrupt(const std::filesystem::path& file) {
  std::string bytes = read_file(file);
  if (bytes.empty()) throw MachineError{"corrupt " + file.native() + ": it is empty"};
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file_atomic(file, bytes);
}

// What happens during traffic, how the run is set up, and how its end is judged.
struct Procedure {
  std::string_view name;
  void (*disturb)(const Disturbed&) = nullptr;
  void (*prepare)(Experiment&) = nullptr;
  void (*judge)(const RunReport&, SelftestResult&) = nullptr;
};

const std::array kProcedures{
    Procedure{"none", nullptr, nullptr,
              [](const RunReport& run, SelftestResult& result) {
                result.is_as_expected = is(run.outcome, "pass", ExitCode::pass);
              }},
    Procedure{"kill-iperf", kill_iperf, nullptr,
              [](const RunReport& run, SelftestResult& result) {
                result.is_as_expected = is(run.outcome, "fail", ExitCode::traffic, "iperf-server");
              }},
    Procedure{"drop-capture", drop_capture, [](Experiment& e) { e.ring_bytes = 1U << 20; },
              [](const RunReport& run, SelftestResult& result) {
                const std::uint64_t count = dropped(run.bundle);
                result.found += fmt::format("; {} packets dropped, all accounted for", count);
                result.is_as_expected = is(run.outcome, "pass", ExitCode::pass) && count > 0;
              }},
    Procedure{"stall-reader", stall_reader,
              [](Experiment& e) { e.interval = std::chrono::microseconds{100}; },
              [](const RunReport& run, SelftestResult& result) {
                const json losses = document(run.bundle, "counters/counters.json").at("losses");
                result.is_as_expected = is(run.outcome, "inconclusive", ExitCode::inconclusive) &&
                                        !losses.at("overruns").empty() &&
                                        has_exact_totals(run.bundle);
              }},
    Procedure{"clock-step", step_clock, nullptr,
              [](const RunReport& run, SelftestResult& result) {
                const json clock = document(run.bundle, "counters/counters.json").at("clock");
                result.is_as_expected =
                    is(run.outcome, "inconclusive", ExitCode::inconclusive, "clock") &&
                    clock.at("steps").size() == 2 && has_exact_totals(run.bundle);
              }},
    Procedure{"corrupt-file", nullptr, nullptr,
              [](const RunReport& run, SelftestResult& result) {
                const char* const name = "captures/iperf-server.pcap";
                corrupt(run.bundle / name);
                const std::vector<std::string> findings = verify_bundle(run.bundle);
                result.found += "; verify: " + fmt::format("{}", fmt::join(findings, "; "));
                result.is_as_expected = is(run.outcome, "pass", ExitCode::pass) &&
                                        findings.size() == 1 && findings[0].starts_with(name);
              }},
};

}  // namespace

std::span<const Fault> faults() { return kFaults; }

SelftestResult selftest(const SelftestRequest& request, StopSignals& stop, Progress& progress) {
  const auto procedure = std::find_if(kProcedures.begin(), kProcedures.end(),
                                      [&](const Procedure& p) { return p.name == request.fault; });
  if (procedure == kProcedures.end())
    throw UsageError{fmt::format("selftest: no fault '{}'", request.fault)};
  RunRequest run;
  run.compose_file = request.compose_file;
  run.results = request.results;
  run.argv = {"trafficlab", "selftest", "--inject", request.fault};
  run.experiment.name = "selftest-" + request.fault;
  run.experiment.engine = request.engine;
  run.experiment.duration = std::chrono::seconds{4};
  if (procedure->prepare != nullptr) procedure->prepare(run.experiment);
  if (procedure->disturb != nullptr)
    run.disturb = [&](const std::vector<Service>& services) {
      const Disturbed lab{services, stop};
      lab.wait(milliseconds{500});
      procedure->disturb(lab);
    };
  const RunReport report = run_experiment(run, stop, progress);
  if (report.outcome.exit_code == ExitCode::interrupted) throw Interrupted{report.outcome.reason};
  SelftestResult result{false, text_of(report.outcome), report.bundle};
  try {
    procedure->judge(report, result);
  } catch (const std::exception& e) {  // evidence that should be there is not
    result.found += std::string{"; "} + e.what();
  }
  return result;
}

}  // namespace tl
