#include "compare/decision.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tl {
namespace {

// The baseline moved to the limit: what is just tolerated.
Runs tolerated(const Runs& base, const Rule& rule) {
  const double sign = rule.better == Better::lower ? 1 : -1;
  Runs moved = base;
  for (double& v : moved)
    v += sign * rule.limit.amount * (rule.limit.is_relative ? std::abs(v) : 1);
  return moved;
}

Runs differences_of(const Runs& base, const Runs& fresh) {
  Runs differences(std::min(base.size(), fresh.size()));
  for (std::size_t i = 0; i < differences.size(); ++i) differences[i] = fresh[i] - base[i];
  return differences;
}

Tails test(const Runs& base, const Runs& fresh, bool is_paired) {
  return is_paired ? signed_rank_tails(differences_of(base, fresh)) : rank_sum_tails(base, fresh);
}

// pass: `fresh` is shown to be better than `base`; fail: worse.
Verdict shown(const Runs& base, const Runs& fresh, const Rule& rule) {
  const Tails tails = test(base, fresh, rule.is_paired);
  const double level = (1 - rule.confidence) / 2;
  const auto& [worse, better] = rule.better == Better::lower ? std::pair{tails.high, tails.low}
                                                             : std::pair{tails.low, tails.high};
  if (rule.better == Better::neither) return Verdict::inconclusive;
  if (worse <= level) return Verdict::fail;
  return better <= level ? Verdict::pass : Verdict::inconclusive;
}

std::size_t needed(const Runs& base, const Runs& fresh, const Rule& rule) {
  const Runs limit = tolerated(base, rule);
  if (rule.is_paired) {
    const Runs d = differences_of(limit, fresh);
    return pairs_needed(std::abs(median(d)), sample_deviation(d), rule.confidence);
  }
  const double a = sample_deviation(base), b = sample_deviation(fresh);
  return runs_needed(std::abs(shift(limit, fresh)), std::sqrt((a * a + b * b) / 2),
                     rule.confidence);
}

std::string explain(const Decision& d, const Rule& rule, std::size_t have, std::size_t fewest) {
  const std::string limit = rule.limit.is_relative ? fmt::format("{:g} %", rule.limit.amount * 100)
                                                   : fmt::format("{:g}", rule.limit.amount);
  if (d.verdict == Verdict::fail)
    return fmt::format("worse by more than {}, with {:g} % confidence", limit,
                       rule.confidence * 100);
  if (d.verdict == Verdict::pass)
    return fmt::format("not worse by more than {}, with {:g} % confidence", limit,
                       rule.confidence * 100);
  if (rule.better == Better::neither) return "neither more nor less of it is better";
  const char* unit = rule.is_paired ? "pairs" : "runs a side";
  if (have < fewest)
    return fmt::format("{} {} can show nothing at {:g} %: at least {}, about {} for this noise",
                       have, unit, rule.confidence * 100, fewest, *d.runs_needed);
  return fmt::format("{} {} do not show on which side of {} it is: about {} would", have, unit,
                     limit, *d.runs_needed);
}

}  // namespace

const char* text_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass:
      return "pass";
    case Verdict::fail:
      return "fail";
    case Verdict::inconclusive:
      return "inconclusive";
  }
  return "";
}

Decision decide(const Runs& base, const Runs& fresh, const Rule& rule) {
  Decision d;
  const std::size_t have = std::min(base.size(), fresh.size());
  if (have == 0) {
    d.reason = "no run has a value";
    return d;
  }
  d.base_median = median(base);
  d.fresh_median = median(fresh);
  d.difference = bootstrap_difference(base, fresh, rule.confidence);
  d.shift = rule.is_paired ? median(differences_of(base, fresh)) : shift(base, fresh);
  d.delta = cliffs_delta(base, fresh);
  d.p = two_sided(test(base, fresh, rule.is_paired));
  const std::size_t fewest =
      rule.is_paired ? fewest_pairs(rule.confidence) : fewest_runs(rule.confidence);
  // Three runs against thirty could be significant; still, three show little of their own noise.
  if (have >= fewest) {
    d.verdict = shown(tolerated(base, rule), fresh, rule);
    d.direction = shown(base, fresh, rule);
  }
  if (d.verdict == Verdict::inconclusive)
    d.runs_needed = std::max(needed(base, fresh, rule), have < fewest ? fewest : have + 1);
  d.reason = explain(d, rule, have, fewest);
  return d;
}

}  // namespace tl
