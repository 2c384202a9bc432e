#include "lab/docker_engine.hh"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iterator>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/netlink.hh"
#include "base/netns.hh"
#include "lab/compose_command.hh"
#include "lab/docker_api.hh"
#include "lab/docker_leftovers.hh"
#include "lab/image.hh"
#include "lab/watched_command.hh"

namespace tl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kCheckTime{1500}, kCheckStep{100};
constexpr seconds kUpLimit{120}, kDownLimit{90};
constexpr seconds kEndLimit{10};         // from the end of a process to Docker knowing it
constexpr milliseconds kPingEvery{500};  // how soon a vanished engine is noticed
constexpr int kSubnetAttempts = 8;
constexpr int kLogLines = 10'000;

struct Container {
  std::string id;
  UniqueFd pidfd;  // of its first process
  std::optional<ServiceEnd> end;
};

// Docker reports death by a signal as 128 + its number. 130 is left alone: it is how this program
// itself says that it was interrupted.
ExitStatus status_of(int code) {
  constexpr int kSignalled = 128, kOwnInterrupted = static_cast<int>(ExitCode::interrupted);
  if (code > kSignalled && code <= kSignalled + 64 && code != kOwnInterrupted)
    return {0, code - kSignalled};
  return {code, 0};
}

std::string last_line_of(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return "";
  const std::size_t before = text.rfind('\n', end);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  return text.substr(begin, end + 1 - begin);
}

// The address of a container in the project's network, by name order when it is in several.
std::string address_of(const json& inspected, const std::string& project) {
  for (const auto& [name, network] : inspected.at("NetworkSettings").at("Networks").items())
    if (name.starts_with(project + "_") && !network.value("IPAddress", "").empty())
      return network.at("IPAddress");
  return "";
}

// The device that has `address` in the process's namespace. Docker 28 no longer names devices in
// the order of networks, so the name is looked up; without the right to (not root), the only one a
// single network makes.
std::string device_of(pid_t pid, const std::string& address) {
  if (address.empty()) return "";
  try {
    return NetNs::of_process(pid).run([&] {
      for (const Address& a : list_addresses())
        if (a.text == address)
          for (const Link& link : list_links())
            if (link.ifindex == a.ifindex) return link.name;
      return std::string{};
    });
  } catch (const MachineError&) {
    return "eth0";
  }
}

class DockerEngine : public Engine {
 public:
  DockerEngine(const std::string& host, ComposeCommand compose)
      : api_{host}, compose_{std::move(compose)} {
    api_.ping();
  }
  ~DockerEngine() override { (void)DockerEngine::down(); }
  [[nodiscard]] std::string name() const override { return "docker"; }
  [[nodiscard]] std::map<std::string, std::string> facts() const override {
    std::map<std::string, std::string> facts = facts_;
    facts["compose"] = version_of(compose_);  // half a second for version 1: not while coming up
    return facts;
  }

  std::vector<Service> up(const LabRequest& request, StopSignals& stop) override {
    request_ = request;
    collect_facts();
    if (read_file(request.compose_file).find("TRAFFICLAB_IMAGE") != std::string::npos)
      prepare_image(stop);
    project_ = "tl-" + request.run_id;
    request.record("docker_host", api_.host());
    request.record("bridge", project_);
    try {
      compose_up(stop);
      return find_services();
    } catch (...) {
      collect_logs();
      problems_ = down();  // for the caller's own down()
      throw;
    }
  }

  void signal(const std::string& service, int number) override {
    const auto found = containers_.find(service);
    if (found != containers_.end() && !found->second.end) api_.signal(found->second.id, number);
  }

  // The kernel says when a container's process ends; Docker is asked only then, and now and again
  // whether it still lives.
  std::optional<ServiceEnd> ended(const std::string& service) override {
    const auto found = containers_.find(service);
    if (found == containers_.end()) return std::nullopt;
    Container& container = found->second;
    if (container.end) return container.end;
    pollfd wanted{container.pidfd.get(), POLLIN, 0};
    if (::poll(&wanted, 1, 0) > 0) return container.end = read_end(service, container.id);
    if (next_ping_.passed()) {
      api_.ping();
      next_ping_ = Deadline{kPingEvery};
    }
    return std::nullopt;
  }

  void check() override {
    for (const Deadline limit{kCheckTime}; !limit.passed();) {
      api_.ping();
      ::poll(nullptr, 0, static_cast<int>(kCheckStep.count()));
    }
  }

  void collect_logs() override {
    if (project_.empty()) return;
    try {
      for (const DockerObject& c : api_.list(DockerKind::container, project_label()))
        write_file_atomic(request_.log_folder / (c.label("com.docker.compose.service") + ".log"),
                          api_.logs(c.id, kLogLines));
    } catch (const std::exception& e) {
      problems_.push_back(fmt::format("collect logs: {}", e.what()));
    }
  }

  std::vector<std::string> down() override {
    if (project_.empty()) return std::exchange(problems_, {});
    try {
      api_.ping();  // Compose would wait much longer for an engine that is gone
      compose_down();
      Removal rest = remove_project(api_, project_, is_half_made_);
      for (const std::string& line : rest.removed)
        problems_.push_back("Compose left " + line + " (removed)");
      std::move(rest.problems.begin(), rest.problems.end(), std::back_inserter(problems_));
    } catch (const std::exception& e) {
      problems_.push_back(fmt::format(
          "take the lab down: {} (trafficlab gc removes what is left of {})", e.what(), project_));
      kill_processes();
    }
    project_.clear();
    containers_.clear();
    return std::exchange(problems_, {});
  }

 private:
  [[nodiscard]] std::string project_label() const {
    return "com.docker.compose.project=" + project_;
  }

  void collect_facts() {
    const json version = api_.version();
    facts_ = {{"docker", version.value("Version", "")},
              {"docker_api", version.value("ApiVersion", "")},
              {"docker_host", api_.host()}};
  }

  void prepare_image(StopSignals& stop) {
    const std::string image = ensure_image(
        api_, {source_root(), request_.log_folder / "image-build.log", request_.note}, stop);
    request_.variables["TRAFFICLAB_IMAGE"] = image;
    facts_["image"] = image;
    facts_["image_id"] = api_.image_id(image).value_or("");
  }

  // The environment and the words that every Compose command of this lab begins with.
  [[nodiscard]] WatchedCommand compose_command(const Argv& words, seconds limit) const {
    WatchedCommand command{compose_.argv,
                           {request_.variables.begin(), request_.variables.end()},
                           request_.log_folder / "compose.log",
                           limit};
    // Compose must talk to the same engine as the API calls.
    command.environment.emplace_back("DOCKER_HOST", api_.host());
    command.environment.emplace_back("TRAFFICLAB_SUBNET", subnet_);
    command.environment.emplace_back("TRAFFICLAB_BRIDGE", project_);
    command.argv.insert(command.argv.end(), {"--ansi", "never", "--project-name", project_,
                                             "--file", request_.compose_file.native()});
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    return command;
  }

  // Other programs make networks in Docker too, between our look and Compose's request: another
  // subnet is tried when Docker finds an overlap.
  void compose_up(StopSignals& stop) {
    std::vector<Subnet> taken = api_.subnets();
    for (int attempt = 1;; ++attempt) {
      const Subnet subnet = request_.choose_subnet(taken);
      subnet_ = subnet.text();
      facts_["subnet"] = subnet_;
      is_half_made_ = true;
      const WatchedCommand command = compose_command({"up", "--detach", "--no-build"}, kUpLimit);
      if (run_watched(command, &stop).ok()) break;
      const std::string reason = explains(command.log);
      if (reason.find("overlap") == std::string::npos || attempt == kSubnetAttempts)
        throw MachineError{fmt::format("bring the lab up: {}", reason)};
      (void)remove_project(api_, project_, true);
      taken.push_back(subnet);
    }
    is_half_made_ = false;
  }

  // Down does not watch for signals: it must be completed.
  void compose_down() {
    const WatchedCommand command =
        compose_command({"down", "--volumes", "--timeout", "2"}, kDownLimit);
    if (!run_watched(command, nullptr).ok())
      problems_.push_back(fmt::format("compose down: {}", explains(command.log)));
  }

  // Without an engine containers live on: their processes are ended, so that nothing of the lab
  // runs. Those of a non-root user's lab cannot be.
  void kill_processes() {
    for (const auto& [name, container] : containers_)
      (void)::syscall(SYS_pidfd_send_signal, container.pidfd.get(), SIGKILL, nullptr, 0U);
  }

  std::vector<Service> find_services() {
    std::vector<Service> services;
    for (const DockerObject& c : api_.list(DockerKind::container, project_label())) {
      const std::string name = c.label("com.docker.compose.service");
      const json inspected = api_.inspect(c.id);
      const json& state = inspected.at("State");
      if (!state.at("Running").get<bool>()) throw_ended(name, c.id, state);
      const pid_t pid = state.at("Pid");
      Container container{c.id, UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U))}, {}};
      if (!container.pidfd.valid()) {
        // Either it ended this moment, or its pid is one of another machine.
        const json now = api_.inspect(c.id).at("State");
        if (!now.at("Running").get<bool>()) throw_ended(name, c.id, now);
        throw MachineError{fmt::format(
            "docker engine at {}: its containers do not run on this machine, which cannot measure "
            "them",
            api_.host())};
      }
      if (!containers_.emplace(name, std::move(container)).second)
        throw UsageError{fmt::format("{}: service {} has several containers; expected one",
                                     request_.compose_file.native(), name)};
      const std::string address = address_of(inspected, project_);
      services.push_back({name, pid, address, device_of(pid, address), c.id});
    }
    return services;
  }

  [[noreturn]] void throw_ended(const std::string& name, const std::string& id, const json& state) {
    const std::string reason = state.at("OOMKilled").get<bool>() ? "out of memory"
                               : !state.value("Error", "").empty()
                                   ? state.at("Error").get<std::string>()
                                   : last_line_of(api_.logs(id, kLogLines));
    throw TrafficError{fmt::format("service {} ended at once: {}{}{}", name,
                                   status_of(state.at("ExitCode")).text(),
                                   reason.empty() ? "" : ": ", reason)};
  }

  // Docker hears of the end through its shim, a moment after the kernel says so.
  ServiceEnd read_end(const std::string& service, const std::string& id) {
    const Deadline deadline{kEndLimit};
    for (;;) {
      const json state = api_.inspect(id).at("State");
      if (!state.at("Running").get<bool>())
        return {status_of(state.at("ExitCode")), state.at("OOMKilled").get<bool>()};
      if (deadline.passed())
        throw MachineError{
            fmt::format("docker engine: still calls service {} running {} s after its end", service,
                        kEndLimit.count())};
      ::poll(nullptr, 0, 5);
    }
  }

  DockerApi api_;
  ComposeCommand compose_;
  LabRequest request_;
  std::map<std::string, std::string> facts_;
  std::string project_;  // empty: nothing is up
  std::string subnet_;
  bool is_half_made_ = false;  // Compose was stopped: what it asked for last may still appear
  std::map<std::string, Container> containers_;
  std::vector<std::string> problems_;
  Deadline next_ping_{kPingEvery};
};

}  // namespace

std::unique_ptr<Engine> make_docker_engine(const std::string& host) {
  auto compose = find_compose();
  if (!compose)
    throw MachineError{
        "docker engine: no Compose (apt-get install docker-compose, or Docker's Compose plugin)"};
  return std::make_unique<DockerEngine>(host, std::move(*compose));
}

}  // namespace tl
