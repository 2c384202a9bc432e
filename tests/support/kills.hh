// Killing runs at random times, and counting what they leave.
#pragma once

#include <cstdint>
#include <utility>

#include "support/lab_run.hh"

namespace tl::test {

struct KillCounts {
  int kills = 0;
  int left_behind = 0;       // lines of the inventory that stayed, over all kills
  int without_manifest = 0;  // bundles (finished or .partial) that do not say how they ended
};

// Starts `kills` runs with `args`, sends SIGINT, SIGTERM and SIGKILL in turn after a random time up
// to `longest`, waits for the end, runs `gc` after SIGKILL, and compares the inventory with that of
// before. `environment` is added to runs and gc (DOCKER_HOST). The seed is printed, so that a
// failure can be repeated.
KillCounts kill_at_random(const Argv& args, int kills, std::chrono::milliseconds longest,
                          std::uint64_t seed,
                          const std::vector<std::pair<std::string, std::string>>& environment = {});

}  // namespace tl::test
