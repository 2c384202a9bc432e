// A gate's report for people and for CI systems: text, Markdown, JSON (trafficlab.gate/1), JUnit
// XML and GitHub annotations (docs/gate.md).
#pragma once

#include <string>

#include "compare/gate.hh"

namespace tl {

std::string gate_text(const GateReport& report);
// For a job summary.
std::string gate_markdown(const GateReport& report);
nlohmann::ordered_json gate_json(const GateReport& report);
// One test suite, one test case a gate: a failed gate is a <failure>, an inconclusive one is
// <skipped>, or <failure> where the policy has on_inconclusive: fail. `hostname` and the time are
// left out: the same runs give the same bytes.
std::string gate_junit(const GateReport& report);
// A workflow command a gate that is not passed: "::error file=POLICY,line=4,title=…::reason".
std::string gate_annotations(const GateReport& report);

}  // namespace tl
