// From the evidence in a bundle to what it means: every derived number of summary.json and every
// reason to distrust the run. Pure: reads the folder, never the machine, so that `recompute` gives
// the same document anywhere.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/metrics.hh"

namespace tl {

struct Findings {
  nlohmann::json document =
      nlohmann::json::object();  // summary.json: {"schema", "metrics": [...], …}
  // Further documents by their path in the bundle: reconciliation.json, analysis/….
  std::map<std::string, std::string> files;
  std::vector<std::string> problems;  // each makes the run inconclusive; the first is its reason
};

// `window`: the time of the traffic, as the manifest marks it.
// Reads counters/, captures/ and iperf/ below `folder`. Evidence that is missing or damaged becomes
// a problem.
Findings find(const std::filesystem::path& folder, const TrafficWindow& window);

// The text of summary.json.
std::string summary_text(const Findings& findings);

}  // namespace tl
