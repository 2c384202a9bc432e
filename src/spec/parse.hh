// The experiment file: YAML, sections as in spec/settings.hh, for example
//   name: baseline
//   duration: 10s
//   traffic: {protocol: tcp, port: 5201, options: [--congestion, cubic]}
#pragma once

#include <filesystem>
#include <string>

#include "spec/experiment.hh"
#include "spec/sweep.hh"

namespace tl {

// Reads a file over `base`. Throws UsageError "FILE:LINE: …" for a wrong key (naming the known
// ones), type or value, and for a matrix: that is more than one experiment.
Experiment parse_experiment(const std::filesystem::path& file, const Experiment& base = {});
// The same from text; `file` is only named in messages.
Experiment parse_experiment_text(const std::string& text, const std::string& file,
                                 const Experiment& base = {});
// The same with a matrix allowed.
Sweep parse_sweep(const std::filesystem::path& file);
Sweep parse_sweep_text(const std::string& text, const std::string& file);
// The resolved experiment as a file that parse_experiment reads back to the same value.
std::string write_experiment(const Experiment& experiment);
std::string write_sweep(const Sweep& sweep);

}  // namespace tl
