// One execution of an experiment, from preflight to bundle (docs/architecture.md, "A run").
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/errors.hh"
#include "base/process.hh"
#include "base/signals.hh"
#include "bundle/run_folder.hh"
#include "lab/engine.hh"
#include "run/progress.hh"
#include "spec/experiment.hh"

namespace tl {

struct RunRequest {
  Experiment experiment;
  std::filesystem::path compose_file{"compose.yaml"};
  std::filesystem::path results{"results"};
  Argv argv;  // of this process, for the manifest
  // Called once in the traffic phase, when the gate is open, with the services of the lab: what a
  // selftest does to them. Empty for a measurement.
  std::function<void(const std::vector<Service>&)> disturb = {};
};

struct RunReport {
  Outcome outcome;
  std::filesystem::path bundle;  // empty when not even a folder could be made
  std::string summary;           // about ten lines for people
};

// Runs the experiment. Whatever happens after the folder was made, the lab comes down and a bundle
// with the outcome, the phase it ended in and the reason is left. Throws only when there is no
// folder to leave it in, or when that can no longer be written (UsageError, MachineError): then the
// journal stays, and the next clean-up closes the folder.
RunReport run_experiment(const RunRequest& request, StopSignals& stop, Progress& progress);

// The words for iperf3 that an experiment means, but for --client ADDRESS, --json and --logfile.
Argv iperf_server_options(const Experiment& experiment);
Argv iperf_client_options(const Experiment& experiment);

}  // namespace tl
