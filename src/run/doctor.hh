// Whether this machine can do the main job: every prerequisite with its state and what to do about
// it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spec/experiment.hh"

namespace tl {

enum class CheckState { ok, warning, missing };

struct Check {
  std::string name;  // "btf", "docker", …
  CheckState state = CheckState::ok;
  std::string detail;  // what was found
  std::string fix;     // what to do; empty when ok
};
void to_json(nlohmann::json& j, const Check& c);

// What the checks look at. Tests point `root` at a made-up tree instead of /.
struct DoctorRequest {
  std::filesystem::path root{"/"};
  std::filesystem::path results{"results"};
  Experiment experiment;
};

// All checks for running `experiment` on its engine. A missing one means exit code 4 for the main
// job.
std::vector<Check> examine(const DoctorRequest& request);
// The first missing check as one line "NAME: DETAIL (FIX)", or empty.
std::string first_missing(const std::vector<Check>& checks);

// Bytes that the captures and counters of an experiment may take: rate × duration × kept bytes, for
// the two ends. The rate is bounded by `bits_per_second` (the experiment's own bitrate when it has
// one).
std::uint64_t estimated_bundle_bytes(const Experiment& experiment);

}  // namespace tl
