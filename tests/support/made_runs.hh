// Finished runs made by hand, for tests of what compares them: a manifest and metrics.json, no run.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tl::test {

struct MadeRun {
  double goodput = 1e9;
  double longest_stall = 0.01;
  nlohmann::json changes = nlohmann::json::object();  // merged over the manifest
  bool has_goodput = true;
};

// Writes the run into `folder`. Returns `folder`.
std::filesystem::path make_run(const std::filesystem::path& folder, const MadeRun& run = {});
// One run for each goodput, in `root`/NAME-0, …-1, ….
std::vector<std::filesystem::path> make_runs(const std::filesystem::path& root,
                                             const std::string& name,
                                             const std::vector<double>& goodputs,
                                             const MadeRun& like = {});

}  // namespace tl::test
