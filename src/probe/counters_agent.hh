// The counters as a service of a run (bundle/control.hh).
#pragma once

#include <filesystem>

#include "base/errors.hh"

namespace tl {

// Takes the plan, counts at its points until SIGTERM, writes counters/ of the run folder. Returns
// pass, or inconclusive when something was counted that cannot be accounted for. Throws
// MachineError when it cannot count at all.
ExitCode serve_counters(const std::filesystem::path& run_folder);

}  // namespace tl
