// Whether runs are worse than others by more than is tolerated: pass, fail, or not shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "analysis/metrics.hh"
#include "compare/statistics.hh"

namespace tl {

enum class Verdict : std::uint8_t { pass, fail, inconclusive };
const char* text_of(Verdict verdict);

// How much worse is still tolerated: a share of the baseline, or an amount in the metric's unit.
struct Limit {
  double amount = 0;
  bool is_relative = true;
};

struct Rule {
  Better better = Better::higher;  // `neither` cannot be judged: inconclusive
  Limit limit;
  double confidence = 0.95;
  bool is_paired = false;  // base[i] and fresh[i] are a pair, run one after the other
};

// What both sides show, and the verdict. Numbers are in the metric's unit.
struct Decision {
  Verdict verdict = Verdict::inconclusive;
  std::string reason;  // one line for people, with the runs that are needed if inconclusive
  double base_median = 0, fresh_median = 0;
  Interval difference;                        // bootstrap, of the medians
  double shift = 0;                           // Hodges-Lehmann; of pairs: the median difference
  double delta = 0;                           // Cliff's
  double p = 1;                               // two-sided, that there is no difference at all
  Verdict direction = Verdict::inconclusive;  // pass: shown to be better at all; fail: worse at all
  std::optional<std::size_t> runs_needed;     // a side, when inconclusive
};

// Fails when the runs are worse than the limit with the rule's confidence, passes when they are
// shown to be within it (each by an exact one-sided rank test against the shifted baseline, at half
// of 1 - confidence), and is inconclusive otherwise. With fewer than fewest_runs it always is.
Decision decide(const Runs& base, const Runs& fresh, const Rule& rule);

}  // namespace tl
