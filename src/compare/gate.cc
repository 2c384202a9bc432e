#include "compare/gate.hh"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.hh"
#include "compare/report_parts.hh"

namespace tl {
namespace {

[[noreturn]] void refuse(const Policy& policy, const Gate& gate, const std::string& message) {
  throw UsageError{fmt::format("{}:{}: {}", policy.file, gate.line, message)};
}

const Metric* known(const GateReport& report, const std::string& name) {
  for (const RunSet* side : {&report.fresh, &report.base})
    for (const MeasuredRun& run : *side)
      if (const Metric* m = run.find(name)) return m;
  return nullptr;
}

const Metric& metric_of(const GateReport& report, const Gate& gate) {
  if (const Metric* m = known(report, gate.metric)) return *m;
  std::vector<std::string> names;
  for (const Metric& m : report.fresh.front().metrics) names.push_back(m.name);
  refuse(report.policy, gate,
         fmt::format("metric '{}': unknown (the runs have: {})", gate.metric,
                     names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

// Why these runs are no measurement to judge; empty when they are.
std::string invalid(const RunSet& runs) {
  for (const MeasuredRun& run : runs) {
    const nlohmann::json outcome = run.manifest.value("outcome", nlohmann::json::object());
    const std::string verdict = outcome.value("verdict", "unknown");
    if (verdict != "pass")
      return fmt::format("{}: the run's own verdict is {}", run.bundle.filename().native(),
                         verdict);
  }
  return "";
}

bool keeps(double value, const Gate& gate) {
  return gate.kind == GateKind::at_least ? value >= gate.limit.amount : value <= gate.limit.amount;
}

// Every run has to keep the bound: a statement about these runs, without inference.
void judge_each(GateResult& r) {
  const auto broken = static_cast<std::size_t>(
      std::count_if(r.fresh.begin(), r.fresh.end(), [&](double v) { return !keeps(v, r.gate); }));
  const bool is_least = r.gate.kind == GateKind::at_least;
  const double worst = is_least ? *std::min_element(r.fresh.begin(), r.fresh.end())
                                : *std::max_element(r.fresh.begin(), r.fresh.end());
  r.verdict = broken == 0 ? Verdict::pass : Verdict::fail;
  r.reason = fmt::format("{} of {} runs keep it, the worst has {}", r.fresh.size() - broken,
                         r.fresh.size(), human_value(worst, r.unit));
}

// What such runs do in general: signed ranks against the bound.
void judge_bound(GateResult& r) {
  const Runs bound(r.fresh.size(), r.gate.limit.amount);
  const Better better = r.gate.kind == GateKind::at_least ? Better::higher : Better::lower;
  r.decision = decide(bound, r.fresh, {better, {0, false}, r.gate.confidence, true});
  r.verdict = r.decision->verdict;
  r.reason =
      r.verdict == Verdict::inconclusive
          ? r.decision->reason
          : fmt::format("the median {} is {} the bound, with {:g} % confidence",
                        human_value(r.decision->fresh_median, r.unit),
                        r.verdict == Verdict::pass ? "within" : "beyond", r.gate.confidence * 100);
}

void judge_change(GateResult& r, const Metric& metric) {
  r.decision = decide(r.base, r.fresh,
                      {r.gate.better.value_or(metric.better), r.gate.limit, r.gate.confidence});
  r.verdict = r.decision->verdict;
  r.reason = fmt::format("{}: {} against {}, {}",
                         human_change(r.decision->shift, r.decision->base_median, r.unit),
                         human_value(r.decision->fresh_median, r.unit),
                         human_value(r.decision->base_median, r.unit), r.decision->reason);
}

GateResult judge(const GateReport& report, const Gate& gate, bool is_forced) {
  GateResult r;
  r.gate = gate;
  const Metric& metric = metric_of(report, gate);
  r.unit = metric.unit;
  const bool is_change = gate.kind == GateKind::max_worse;
  if (is_change && report.base.empty())
    refuse(report.policy, gate, "max_worse: needs a baseline (--baseline BUNDLE)");
  if (is_change && gate.better.value_or(metric.better) == Better::neither)
    refuse(report.policy, gate,
           fmt::format("metric '{}': say what is better (better: higher or lower)", gate.metric));
  const Values fresh = values_of(report.fresh, gate.metric);
  const Values base = values_of(report.base, gate.metric);
  r.fresh = fresh.values;
  r.base = base.values;
  r.reason = invalid(report.fresh);
  if (r.reason.empty()) r.reason = fresh.missing;
  if (r.reason.empty() && is_change) r.reason = base.missing;
  if (r.reason.empty() && is_change && is_blocked(report.differences) && !is_forced) {
    const Difference& d = report.differences.front();
    r.reason = fmt::format("not comparable: {} is {} against {}", d.key, d.fresh, d.base);
  }
  if (!r.reason.empty()) return r;
  if (is_change)
    judge_change(r, metric);
  else if (gate.is_inferred)
    judge_bound(r);
  else
    judge_each(r);
  return r;
}

Verdict sum_of(const GateReport& report) {
  Verdict sum = Verdict::pass;
  for (const GateResult& r : report.results) {
    const Verdict v =
        r.verdict == Verdict::inconclusive ? report.policy.on_inconclusive : r.verdict;
    if (v == Verdict::fail) return v;
    if (v == Verdict::inconclusive) sum = v;
  }
  return sum;
}

}  // namespace

GateReport apply_policy(const Policy& policy, RunSet fresh, RunSet base, bool is_forced) {
  GateReport report;
  report.policy = policy;
  report.fresh = std::move(fresh);
  report.base = std::move(base);
  if (report.fresh.empty()) throw UsageError{"gate: no run to judge"};
  if (!report.base.empty()) report.differences = differences(report.base, report.fresh);
  for (const Gate& gate : policy.gates) report.results.push_back(judge(report, gate, is_forced));
  report.verdict = sum_of(report);
  return report;
}

}  // namespace tl
