// Every setting of an experiment, once: its path in the file, its flag, its help, how to read and
// how to write it. The file parser, the command line and experiment.yaml are all made from this
// table.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "spec/experiment.hh"

namespace tl {

struct Setting {
  std::string_view path;  // "duration", "traffic.port": section and key in the experiment file
  std::string_view flag;  // "--duration"
  std::string_view help;  // one clause, with the default's unit
  // Reads the text into the experiment. Throws UsageError naming what is allowed.
  void (*set)(Experiment& experiment, std::string_view text);
  // The text that `set` reads back to the same value.
  std::string (*get)(const Experiment& experiment);
};

std::span<const Setting> settings();

// Checks rules between settings, such as whole seconds for iperf. Throws UsageError.
void check(const Experiment& experiment);

}  // namespace tl
