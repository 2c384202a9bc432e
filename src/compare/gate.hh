// Runs judged by a policy.
#pragma once

#include <string>
#include <vector>

#include "compare/comparability.hh"
#include "compare/policy.hh"
#include "compare/run_set.hh"

namespace tl {

struct GateResult {
  Gate gate;
  std::string unit;
  Verdict verdict = Verdict::inconclusive;  // before on_inconclusive
  std::string reason;
  std::optional<Decision> decision;  // where a test decided
  Runs base, fresh;                  // the values
};

struct GateReport {
  Policy policy;
  RunSet base, fresh;
  std::vector<Difference> differences;  // to the baseline
  std::vector<GateResult> results;      // one a gate, in the policy's order
  // Any failed gate fails; all passed passes; else inconclusive. With on_inconclusive applied.
  Verdict verdict = Verdict::inconclusive;
};

// Throws UsageError "FILE:LINE: …" for a metric that no run knows, for one that has no better
// direction and is given none, and for a limit against a baseline when there is none. A run whose
// verdict is not `pass`, and a blocking difference to the baseline (but for `is_forced`), makes the
// gates that use it inconclusive.
GateReport apply_policy(const Policy& policy, RunSet fresh, RunSet base, bool is_forced = false);

}  // namespace tl
