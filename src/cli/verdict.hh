// What the subcommands that judge runs share.
#pragma once

#include "base/errors.hh"
#include "compare/decision.hh"

namespace tl {

ExitCode exit_code_of(Verdict verdict);

}  // namespace tl
