#include "cli/namespace_option.hh"

#include <fmt/format.h>

#include "base/errors.hh"
#include "base/process.hh"
#include "base/units.hh"

namespace tl {
namespace {

constexpr std::chrono::seconds kAnswerLimit{10};

// The first process of a running container, in this pid namespace. `docker inspect` honours
// DOCKER_HOST and contexts.
pid_t pid_of_container(const std::string& name) {
  const CommandResult result = run_command(
      {"docker", "inspect", "--type", "container", "--format", "{{.State.Pid}}", "--", name},
      kAnswerLimit);
  std::string text = result.status.ok() ? result.out : result.err;
  text = text.substr(0, text.find_last_not_of(" \n") + 1);
  if (!result.status.ok()) throw UsageError{fmt::format("container '{}': {}", name, text)};
  const auto pid = static_cast<pid_t>(
      parse_integer(text, 0, std::numeric_limits<pid_t>::max(), "pid of the container"));
  if (pid == 0) throw UsageError{fmt::format("container '{}': it is not running", name)};
  return pid;
}

NetNs namespace_of(pid_t pid) {
  if (!std::filesystem::exists(fmt::format("/proc/{}", pid)))
    throw UsageError{fmt::format("process {}: no such process", pid)};
  return NetNs::of_process(pid);
}

}  // namespace

NamespaceOption::NamespaceOption(CLI::App& app) {
  CLI::Option* path =
      app.add_option("--netns", path_, "in the network namespace of this file (/run/netns/NAME)");
  CLI::Option* pid = app.add_option("--pid", pid_, "in the network namespace of this process")
                         ->check(CLI::PositiveNumber)
                         ->excludes(path);
  app.add_option("--container", container_, "in this running Docker container")
      ->excludes(path)
      ->excludes(pid);
}

NetNs NamespaceOption::open() const {
  if (!path_.empty()) {
    if (!std::filesystem::exists(path_))
      throw UsageError{fmt::format("namespace '{}': no such file", path_)};
    return NetNs::open(path_);
  }
  if (pid_ != 0) return namespace_of(pid_);
  if (!container_.empty()) return namespace_of(pid_of_container(container_));
  return NetNs::current();
}

}  // namespace tl
