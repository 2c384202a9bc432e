// `trafficlab run` as tests see it: a child process with its own results folder, and what it left.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/process.hh"
#include "support/temporary.hh"

namespace tl::test {

struct LabRun {
  ExitStatus status;
  std::string out, err;
  std::filesystem::path bundle;  // last line of stdout; empty when there is none
  nlohmann::json manifest;       // of the bundle; null when there is none
};

// Runs `trafficlab run --results RESULTS ARGS…` with the tree's compose.yaml to its end.
LabRun run_lab(const std::filesystem::path& results, const Argv& args,
               std::chrono::seconds limit = std::chrono::seconds{120});
// Runs `trafficlab ARGS…` to its end.
CommandResult run_trafficlab(const Argv& args);
// The argv of such a run, for tests that start and kill it themselves.
Argv lab_argv(const std::filesystem::path& results, const Argv& args);
// Reads what a finished or killed run left below `results`: the only folder in it.
nlohmann::json read_json(const std::filesystem::path& file);

// Everything on this machine that a run could leave behind: one line each, sorted. Two equal
// inventories before and after mean a clean host.
std::vector<std::string> inventory();
// Lines in `after` that were not in `before`.
std::vector<std::string> added(const std::vector<std::string>& before,
                               const std::vector<std::string>& after);

}  // namespace tl::test
