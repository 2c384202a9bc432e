#include "lab/compose_command.hh"

#include <chrono>

#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::chrono::seconds kVersionLimit{10};

}  // namespace

std::optional<ComposeCommand> find_compose() {
  // Without the plugin the Docker client takes "compose" for an unknown command and fails.
  if (find_program("docker") &&
      run_command({"docker", "compose", "version", "--short"}, kVersionLimit).status.ok())
    return ComposeCommand{{"docker", "compose"}, true};
  if (find_program("docker-compose")) return ComposeCommand{{"docker-compose"}, false};
  return std::nullopt;
}

std::string version_of(const ComposeCommand& compose) {
  Argv argv = compose.argv;
  argv.insert(argv.end(), {"version", "--short"});
  const CommandResult result = run_command(argv, kVersionLimit);
  return result.status.ok() ? result.out.substr(0, result.out.find('\n')) : "";
}

}  // namespace tl
