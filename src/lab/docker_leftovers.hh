// Removing what a lab left in Docker.
#pragma once

#include <string>
#include <vector>

#include "lab/docker_api.hh"
#include "lab/leftovers.hh"

namespace tl {

struct Removal {
  std::vector<std::string> removed;   // "container tl-…-capture-1", one line each
  std::vector<std::string> problems;  // what could not be removed, and why
};

// Removes the containers, networks and volumes of a Compose project. When Compose was stopped while
// it worked (`half_made`), the engine may still be making what it was asked for last: then this
// looks again until nothing new has appeared for a while. Throws MachineError when the engine does
// not answer.
Removal remove_project(DockerApi& api, const std::string& project, bool half_made);

// Removes the labs of dead runs from the engine at `host`: those that `dead_run_ids` names, and
// those whose label says that their journal is no living run's. Adds to `found`, and returns the
// runs of whose lab something is still there. Throws MachineError when the engine does not answer.
std::vector<std::string> collect_docker_leftovers(const std::string& host,
                                                  const std::vector<std::string>& dead_run_ids,
                                                  Leftovers& found);

}  // namespace tl
