#pragma once

#include <string>

#include "analysis/findings.hh"
#include "bundle/run_folder.hh"

namespace tl {

// The summary that a run prints: about ten lines, the verdict first.
std::string describe(const Findings& findings, const Outcome& outcome);

}  // namespace tl
