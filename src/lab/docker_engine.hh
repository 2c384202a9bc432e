// Services as containers. Compose brings them up and down; the Engine API answers everything else.
#pragma once

#include <memory>
#include <string>

#include "lab/engine.hh"

namespace tl {

// Throws MachineError when no engine answers at `host` (see default_docker_host()) or Compose is
// not installed.
std::unique_ptr<Engine> make_docker_engine(const std::string& host);

}  // namespace tl
