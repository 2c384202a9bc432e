// Gathers what the sources of a bundle say, for the reconciliation.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/reconcile.hh"

namespace tl {

struct Evidence {
  std::vector<ServiceEvidence> services;
  std::optional<TrafficEvidence> traffic;        // empty when iperf left no usable results
  std::map<std::string, std::string> documents;  // under analysis/, by path
  std::vector<std::string> problems;             // sources that are there and cannot be read
};

// Reads counters/, captures/ and iperf/ of the bundle at `folder`. A source that is missing leaves
// its part empty.
Evidence read_evidence(const std::filesystem::path& folder);

}  // namespace tl
