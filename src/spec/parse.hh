// The experiment file: YAML, sections as in spec/settings.hh, for example
//   name: baseline
//   duration: 10s
//   traffic: {protocol: tcp, port: 5201, options: [--congestion, cubic]}
#pragma once

#include <filesystem>
#include <string>

#include "spec/experiment.hh"

namespace tl {

// Reads a file over `base`. Throws UsageError "FILE:LINE: …" for a wrong key (naming the known
// ones), type or value.
Experiment parse_experiment(const std::filesystem::path& file, const Experiment& base = {});
// The same from text; `file` is only named in messages.
Experiment parse_experiment_text(const std::string& text, const std::string& file,
                                 const Experiment& base = {});
// The resolved experiment as a file that parse_experiment reads back to the same value.
std::string write_experiment(const Experiment& experiment);

}  // namespace tl
