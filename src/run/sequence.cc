#include "run/sequence.hh"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <sstream>

#include "base/fd.hh"
#include "base/privileges.hh"
#include "base/units.hh"
#include "bundle/traffic_order.hh"
#include "run/clean.hh"
#include "run/doctor.hh"

namespace tl {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr seconds kReadyLimit{30};
constexpr seconds kArmLimit{30};
constexpr seconds kTrafficSlack{30};  // connecting, exchanging results, a slow shaper's queue
constexpr seconds kAgentStopLimit{60};
constexpr seconds kServiceStopLimit{10};
constexpr seconds kQuietLimit{5};
constexpr milliseconds kLiveStep{250};  // how often the counters agent renews its live message

void pause_for(milliseconds time) { ::poll(nullptr, 0, static_cast<int>(time.count())); }

// The last line of a service's log that is not empty, for messages.
std::string last_line(const std::filesystem::path& log) {
  std::istringstream lines{read_value(log)};
  std::string last;
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) last = line;
  return last;
}

// Cumulative bytes of every service in the counters agent's live message.
std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> live_totals(const Control& control) {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> totals;
  const auto message = control.read("live");
  if (!message) return totals;
  for (const auto& [name, value] : message->at("services").items())
    totals[name] = {value.at("rx_bytes").get<std::uint64_t>(),
                    value.at("tx_bytes").get<std::uint64_t>()};
  return totals;
}

}  // namespace

Sequence::Sequence(const RunRequest& request, Journal& journal, RunFolder& folder,
                   StopSignals& stop, Progress& progress)
    : request_{request},
      journal_{journal},
      folder_{folder},
      stop_{stop},
      progress_{progress},
      control_{folder.path()} {}

void Sequence::begin(const std::string& phase, const std::string& text, bool regular) {
  if (regular) phase_ = phase;  // a salvaged run ended where it failed
  progress_.phase(phase, text);
  phases_.push_back({{"name", phase}, {"start_ns", realtime_ns()}});
  const ClockReading now = read_clocks();
  clocks_.push_back({{"phase", phase},
                     {"realtime_ns", now.pair.real_ns},
                     {"monotonic_ns", now.pair.mono_ns},
                     {"uncertainty_ns", now.pair.uncertainty_ns},
                     {"boottime_ns", now.boottime_ns},
                     {"tai_ns", now.tai_ns}});
  if (regular && stop_.received())
    throw Interrupted{"interrupted by " + std::string{::strsignal(*stop_.received())}};
}

void Sequence::preflight() {
  begin("preflight", "checking the machine");
  const std::string problem =
      first_missing(examine({.results = request_.results, .experiment = request_.experiment}));
  if (!problem.empty()) throw MachineError{problem};
  Argv check{"/proc/self/exe", "traffic", "check", "--client", "198.18.0.1"};
  const Argv options = iperf_client_options(request_.experiment);
  check.insert(check.end(), options.begin(), options.end());
  const CommandResult result = run_command(check, seconds{10});
  if (!result.status.ok()) {
    const std::string reason = result.err.substr(0, result.err.find('\n'));
    throw UsageError{reason.starts_with("trafficlab: ") ? reason.substr(12) : reason};
  }
  engine_ = make_engine(request_.experiment.engine, engine_reason_);
}

void Sequence::clean() {
  begin("clean", "removing what dead runs left");
  const Cleaned cleaned = clean_up();
  for (const std::string& line : cleaned.removed) progress_.note("removed " + line);
  for (const std::string& line : cleaned.problems) progress_.note("could not clean up: " + line);
}

void Sequence::up() {
  begin("up", fmt::format("lab on the {} engine ({})", engine_->name(), engine_reason_));
  control_.post("traffic",
                TrafficOrder{iperf_server_options(request_.experiment),
                             iperf_client_options(request_.experiment), request_.experiment.port});
  const Owner owner = service_owner();
  LabRequest lab;
  lab.compose_file = request_.compose_file;
  lab.run_id = journal_.run_id();
  lab.log_folder = folder_.path() / "logs";
  lab.variables = {{"TRAFFICLAB_RUN_ID", journal_.run_id()},
                   {"TRAFFICLAB_JOURNAL", journal_.path().native()},
                   {"TRAFFICLAB_RUN_FOLDER", folder_.path().native()},
                   {"TRAFFICLAB_UID", std::to_string(owner.uid)},
                   {"TRAFFICLAB_GID", std::to_string(owner.gid)}};
  lab.choose_subnet = [this](const std::vector<Subnet>& taken) {
    return allocate_subnet(journal_, taken);
  };
  lab.note = [this](const std::string& line) { progress_.note(line); };
  lab.record = [this](const std::string& key, const std::string& value) {
    journal_.record(key, value);
  };
  services_ = engine_->up(lab, stop_);
  for (const Service& s : services_)
    (void)expect(s.name + ".ready", s.name + " to be ready", kReadyLimit);
}

Plan Sequence::make_plan() const {
  Plan plan;
  plan.run_id = journal_.run_id();
  plan.ports = {request_.experiment.port};
  plan.interval = request_.experiment.interval;
  plan.snaplen_bytes = request_.experiment.snaplen_bytes;
  plan.ring_bytes = request_.experiment.ring_bytes;
  plan.filter = request_.experiment.filter;
  plan.link = request_.experiment.link;
  for (const Service& s : services_)
    if (!s.address.empty()) plan.points.push_back({s.name, s.pid, 0, s.container_id});
  return plan;
}

void Sequence::arm() {
  begin("arm", "arming counters and captures");
  control_.post("plan", make_plan());
  // The captures first: so they hold every frame that is counted.
  messages_["capture"] = expect("capture.armed", "capture to be armed", kArmLimit);
  control_.post("open", nlohmann::json::object());
  messages_["counters"] = expect("counters.armed", "counters to be armed", kArmLimit);
  if (const auto environment = control_.read("environment"))
    messages_["environment"] = *environment;
}

const Service& Sequence::service(const std::string& name) const {
  const auto found = std::find_if(services_.begin(), services_.end(),
                                  [&](const Service& s) { return s.name == name; });
  if (found == services_.end())
    throw UsageError{fmt::format("{}: a lab for `trafficlab run` needs a service '{}'",
                                 request_.compose_file.native(), name)};
  return *found;
}

void Sequence::traffic() {
  const Experiment& e = request_.experiment;
  begin("traffic", fmt::format("{} of {} traffic, {} stream{}{}", format_duration(e.duration),
                               e.protocol == Protocol::udp ? "UDP" : "TCP", e.parallel,
                               e.parallel == 1 ? "" : "s", e.reverse ? ", server to client" : ""));
  gate_ns_ = realtime_ns();
  control_.post("gate", {{"server", service("iperf-server").address}});
  if (request_.disturb) request_.disturb(services_);
  const nanoseconds limit = e.duration + kTrafficSlack;
  for (const char* side : {"iperf-client", "iperf-server"}) {
    const nlohmann::json done =
        expect(std::string{side} + ".done", std::string{side} + " to finish its test", limit);
    traffic_end_ns_ = realtime_ns();
    if (done.at("error").is_null()) continue;
    pause_for(milliseconds{50});
    check_alive();  // a service that died is the cause, what its peer says only the consequence
    throw TrafficError{fmt::format("{}: {}", side, done.at("error").get<std::string>())};
  }
}

void Sequence::show_live(std::int64_t gate_ns) {
  const std::int64_t now_ns = monotonic_ns();
  if (now_ns - live_.time_ns < nanoseconds{kLiveStep}.count()) return;
  const auto totals = live_totals(control_);
  const auto server = totals.find("iperf-server");
  if (server == totals.end()) return;
  const double elapsed_s = static_cast<double>(now_ns - live_.time_ns) / 1e9;
  const auto rate = [&](std::uint64_t now, std::uint64_t before) {
    return static_cast<double>(now - before) * 8 / elapsed_s;
  };
  if (live_.time_ns != 0)
    progress_.traffic(nanoseconds{realtime_ns() - gate_ns}, request_.experiment.duration,
                      rate(server->second.first, live_.rx_bytes),
                      rate(server->second.second, live_.tx_bytes), 0);
  live_ = {now_ns, server->second.first, server->second.second};
}

nlohmann::json Sequence::expect(const std::string& message, const std::string& what,
                                nanoseconds limit) {
  const Deadline deadline{limit};
  for (;;) {
    // In slices, so that a service that died is noticed at once and not at the deadline.
    if (auto found = control_.await(message, Deadline{milliseconds{50}}, stop_.fd())) return *found;
    if (stop_.received())
      throw Interrupted{"interrupted by " + std::string{::strsignal(*stop_.received())}};
    check_alive();
    if (phase_ == "traffic") show_live(gate_ns_);
    if (deadline.passed())
      throw TrafficError{
          fmt::format("wait for {}: nothing after {}", what, format_duration(limit))};
  }
}

void Sequence::check_alive() {
  for (const Service& s : services_) {
    const auto end = engine_->ended(s.name);
    if (!end) continue;
    ended_[s.name] = *end;
    engine_->collect_logs();
    const std::string reason = end->out_of_memory
                                   ? "out of memory"
                                   : last_line(folder_.path() / "logs" / (s.name + ".log"));
    const std::string text = fmt::format("service {} ended during {}: {}{}{}", s.name, phase_,
                                         end->status.text(), reason.empty() ? "" : ": ", reason);
    // An agent that says the machine lacks something, or that its input is wrong, is to be
    // believed.
    if (end->status.code == static_cast<int>(ExitCode::machine)) throw MachineError{text};
    if (end->status.code == static_cast<int>(ExitCode::usage)) throw UsageError{text};
    engine_->check();
    throw TrafficError{text};
  }
}

void Sequence::end_service(const std::string& name, nanoseconds limit) {
  if (ended_.contains(name)) return;
  engine_->signal(name, SIGTERM);
  const Deadline deadline{limit};
  for (;;) {
    if (const auto end = engine_->ended(name)) {
      ended_[name] = *end;
      return;
    }
    if (deadline.passed())
      throw MachineError{
          fmt::format("stop {}: still running {} after SIGTERM", name, format_duration(limit))};
    if (stop_.insisted()) throw Interrupted{"interrupted twice while stopping " + name};
    pause_for(milliseconds{2});
  }
}

void Sequence::stop(bool regular) {
  begin("stop", "waiting for quiet, sealing counters, draining captures", regular);
  const Deadline quiet{kQuietLimit};
  for (auto before = live_totals(control_); !quiet.passed();) {
    pause_for(kLiveStep + milliseconds{20});
    auto now = live_totals(control_);
    if (now == before) break;
    before = std::move(now);
  }
  // The counters end first: so the captures hold every frame that was counted, and what they hold
  // beyond that has a time after the counters' end.
  for (const char* agent : {"counters", "capture"}) {
    end_service(agent, kAgentStopLimit);
    const ExitStatus& status = ended_.at(agent).status;
    if (!status.ok()) problems_.push_back(fmt::format("{} ended with {}", agent, status.text()));
  }
  for (const Service& s : services_) end_service(s.name, kServiceStopLimit);
}

void Sequence::gather(bool regular) {
  begin("gather", "collecting logs", regular);
  engine_->collect_logs();
}

void Sequence::down() noexcept {
  if (!engine_) return;
  progress_.phase("down", "taking the lab down");
  try {
    for (std::string& problem : engine_->down()) {
      problems_.push_back(std::move(problem));
      journal_.keep();  // the next clean-up looks again
    }
  } catch (const std::exception& e) {
    problems_.push_back(e.what());
    journal_.keep();
  }
  for (const std::string& problem : problems_) progress_.note(problem);
}

nlohmann::json Sequence::record() const {
  nlohmann::json services = nlohmann::json::object();
  for (const Service& s : services_) {
    services[s.name] = {
        {"address", s.address}, {"device", s.device}, {"container_id", s.container_id}};
    const auto end = ended_.find(s.name);
    if (end == ended_.end()) continue;
    services[s.name]["exit_code"] = end->second.status.code;
    services[s.name]["signal"] = end->second.status.signal;
    services[s.name]["out_of_memory"] = end->second.out_of_memory;
  }
  return {{"run_id", journal_.run_id()},
          {"engine",
           {{"name", engine_ ? engine_->name() : ""},
            {"reason", engine_reason_},
            {"facts", engine_ ? engine_->facts() : std::map<std::string, std::string>{}}}},
          {"services", services},
          {"phases", phases_},
          {"clocks", clocks_},
          {"traffic_window", {{"start_ns", gate_ns_}, {"end_ns", traffic_end_ns_}}},
          {"agents", messages_},
          {"problems", problems_}};
}

}  // namespace tl
