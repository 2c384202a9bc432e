// --netns PATH | --pid PID | --container NAME: where to look, for commands that observe.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/netns.hh"

namespace tl {

class NamespaceOption {
 public:
  // Adds the three options, of which one may be given.
  explicit NamespaceOption(CLI::App& app);

  // The namespace that was named; without a name the caller's own. Throws UsageError (no such
  // process or container) or MachineError (not permitted).
  [[nodiscard]] NetNs open() const;

 private:
  std::string path_, container_;
  pid_t pid_ = 0;
};

}  // namespace tl
