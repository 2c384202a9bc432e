// Faults put into a run on purpose, each with the verdict it must lead to: evidence that the checks
// of trafficlab find what they are there for, on the machine at hand (docs/selftest.md).
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/signals.hh"
#include "run/progress.hh"

namespace tl {

// One fault: its name for --inject, what is done, and what must come of it.
struct Fault {
  std::string_view name, what, expected;
};
std::span<const Fault> faults();

struct SelftestRequest {
  std::string fault;             // a name of faults()
  std::string engine = "netns";  // auto, docker, netns
  std::filesystem::path compose_file{"compose.yaml"};
  std::filesystem::path results{"results"};  // where the bundle of the disturbed run lands
};

struct SelftestResult {
  bool is_as_expected = false;
  std::string found;  // what came of it, one line
  std::filesystem::path bundle;
};

// Runs a lab of a few seconds with the fault. The machine is as before when it returns, the clock
// included. Throws UsageError for a fault that does not exist, MachineError when it cannot be made
// here, Interrupted.
SelftestResult selftest(const SelftestRequest& request, StopSignals& stop, Progress& progress);

}  // namespace tl
