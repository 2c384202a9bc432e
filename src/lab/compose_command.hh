// Compose as it is installed here: `docker compose` (version 2) or `docker-compose` (version 1).
#pragma once

#include <optional>
#include <string>

#include "base/process.hh"

namespace tl {

struct ComposeCommand {
  Argv argv;  // {"docker", "compose"} or {"docker-compose"}
  bool is_v2 = false;
};

// Prefers version 2; nullopt when there is neither.
std::optional<ComposeCommand> find_compose();
// What it says its version is; empty when it does not.
std::string version_of(const ComposeCommand& compose);

}  // namespace tl
