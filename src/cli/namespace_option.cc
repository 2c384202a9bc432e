#include "cli/namespace_option.hh"

#include <fmt/format.h>

#include <filesystem>

#include "base/errors.hh"
#include "lab/docker_api.hh"

namespace tl {
namespace {

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
  if (!container_.empty()) return namespace_of(DockerApi{default_docker_host()}.pid_of(container_));
  return NetNs::current();
}

}  // namespace tl
