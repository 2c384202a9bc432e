#include "compare/comparison.hh"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.hh"

namespace tl {
namespace {

// The metrics any run knows, in the order of the first that does.
std::vector<Metric> known_metrics(const RunSet& base, const RunSet& fresh) {
  std::vector<Metric> known;
  for (const RunSet* side : {&base, &fresh})
    for (const MeasuredRun& run : *side)
      for (const Metric& m : run.metrics)
        if (std::none_of(known.begin(), known.end(),
                         [&](const Metric& k) { return k.name == m.name; }))
          known.push_back(m);
  return known;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check_judged(const ComparisonOptions& options, const std::vector<Metric>& known) {
  for (const std::string& name : options.judged) {
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const Metric& m) { return m.name == name; });
    if (found != known.end()) continue;
    std::vector<std::string> names;
    for (const Metric& m : known) names.push_back(m.name);
    throw UsageError{
        fmt::format("metric '{}': unknown (the runs have: {})", name,
                    names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")))};
  }
}

MetricComparison compare_metric(const Comparison& c, const Metric& m) {
  MetricComparison one{m.name, m.unit, m.better, contains(c.options.judged, m.name),
                       {},     {},     "",       {}};
  const Values base = values_of(c.base, m.name), fresh = values_of(c.fresh, m.name);
  one.base = base.values;
  one.fresh = fresh.values;
  one.missing = base.missing.empty() ? fresh.missing : base.missing;
  if (!one.missing.empty()) return one;
  const auto share = static_cast<double>(std::max<std::size_t>(1, c.options.judged.size()));
  const double confidence =
      one.is_judged ? 1 - (1 - c.options.confidence) / share : c.options.confidence;
  one.decision =
      decide(one.base, one.fresh, {m.better, c.options.limit, confidence, c.options.is_paired});
  return one;
}

// One failure fails; all passed passes; anything else is inconclusive.
void judge(Comparison& c) {
  c.verdict = Verdict::pass;
  for (const MetricComparison& m : c.metrics) {
    if (!m.is_judged) continue;
    const Verdict v = m.missing.empty() ? m.decision.verdict : Verdict::inconclusive;
    if (v == Verdict::pass || c.verdict == Verdict::fail) continue;
    if (v == Verdict::inconclusive && c.verdict == Verdict::inconclusive) continue;
    c.verdict = v;
    c.reason = fmt::format("{}: {}", m.name, m.missing.empty() ? m.decision.reason : m.missing);
  }
  if (c.verdict == Verdict::pass)
    c.reason =
        fmt::format("{}: not worse by more than the limit", fmt::join(c.options.judged, ", "));
}

}  // namespace

Comparison compare(RunSet base, RunSet fresh, const ComparisonOptions& options) {
  Comparison c;
  c.options = options;
  c.base = std::move(base);
  c.fresh = std::move(fresh);
  c.differences = differences(c.base, c.fresh, options.is_experiment_free);
  if (is_blocked(c.differences) && !options.is_forced) {
    const Difference& d = c.differences.front();
    c.reason = fmt::format("not comparable: {} is {} against {} (--force compares all the same)",
                           d.key, d.fresh, d.base);
    return c;
  }
  const std::vector<Metric> known = known_metrics(c.base, c.fresh);
  check_judged(options, known);
  if (options.is_paired && c.base.size() != c.fresh.size())
    throw UsageError{fmt::format("pairs: {} runs against {}", c.fresh.size(), c.base.size())};
  for (const Metric& m : known) c.metrics.push_back(compare_metric(c, m));
  judge(c);
  return c;
}

}  // namespace tl
