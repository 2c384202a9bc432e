// The policy of a gate: which metrics are judged, by what limit. YAML, for example
//   confidence: 95%
//   on_inconclusive: inconclusive
//   gates:
//     - {metric: goodput, max_worse: 5%}       # than the baseline
//     - {metric: longest_stall, at_most: 0.2}  # of the runs themselves
// All keys are in docs/gate.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "compare/decision.hh"

namespace tl {

enum class GateKind : std::uint8_t {
  max_worse,  // relative to a baseline
  at_least,   // an absolute bound of the metric
  at_most
};

struct Gate {
  std::string metric;
  GateKind kind = GateKind::max_worse;
  Limit limit;
  std::optional<Better> better;  // over the metric's own; needed where that is `neither`
  double confidence = 0.95;
  // Absolute bounds: without a confidence of its own, a gate is about just these runs and every
  // run has to keep it; with one, about what such runs do in general.
  bool is_inferred = false;
  int line = 0;  // in the policy's file
};

struct Policy {
  std::string file;
  Verdict on_inconclusive = Verdict::inconclusive;  // what an inconclusive gate counts as
  std::vector<Gate> gates;                          // never empty
};

// "goodput max_worse 5%": names a gate in every output.
std::string name_of(const Gate& gate);

// Throws UsageError "FILE:LINE: …" for wrong keys (naming the known ones), types and values, for a
// gate with no limit or several, and for a policy without a gate.
Policy parse_policy(const std::filesystem::path& file);
Policy parse_policy_text(const std::string& text, const std::string& file);

}  // namespace tl
