// Captures as a service of a run (bundle/control.hh).
#pragma once

#include <filesystem>

#include "base/errors.hh"

namespace tl {

// Takes the plan, captures at every device of every point until SIGTERM, writes captures/ of the
// run folder. Returns pass, or inconclusive when a capture is partial. Throws UsageError for a
// filter that libpcap does not understand and MachineError when it cannot capture at all.
ExitCode serve_captures(const std::filesystem::path& run_folder);

}  // namespace tl
