#include <map>
#include <utility>

#include "pace/polled_metric.hh"

namespace tl::pace {
namespace {

class FixedMetric : public PolledMetric {
 public:
  FixedMetric(std::string expression, std::chrono::nanoseconds interval)
      : expression_{std::move(expression)}, interval_ns_{interval.count()} {}

  PollOutcome poll(MetricSource& source) override {
    const std::int64_t begin_ns = source.now_ns();
    if (first_ns_ == 0) first_ns_ = begin_ns;
    const QueryResult result = source.query(expression_, std::nullopt, false);
    PollOutcome outcome;
    CostRow& row = outcome.row;
    row = {begin_ns, expression_, result.cost, result.error, 0, 0, 0, std::nullopt, "fixed"};
    row.interval_ns = previous_ns_ > 0 ? begin_ns - previous_ns_ : 0;
    for (const SeriesSamples& series : result.series) note(series, row);
    account_.add(
        {source.now_ns(), result.cost.bytes(), !result.error.empty(), {}, true, row.changes});
    previous_ns_ = begin_ns;
    const std::int64_t passed = (source.now_ns() - first_ns_) / interval_ns_;
    outcome.next_ns = first_ns_ + (passed + 1) * interval_ns_;
    return outcome;
  }
  [[nodiscard]] const std::string& expression() const override { return expression_; }
  [[nodiscard]] FreshnessSummary summary() const override { return account_.summary(); }

 private:
  void note(const SeriesSamples& series, CostRow& row) {
    if (series.samples.empty()) return;
    ++row.samples;
    auto [known, is_new] = values_.try_emplace(series.series, series.samples.back().value);
    if (is_new || known->second == series.samples.back().value) return;
    known->second = series.samples.back().value;
    ++row.changes;
  }

  std::string expression_;
  std::int64_t interval_ns_, first_ns_ = 0, previous_ns_ = 0;
  std::map<std::string, std::string> values_;
  Freshness account_;
};

}  // namespace

std::unique_ptr<PolledMetric> fixed_metric(std::string expression,
                                           std::chrono::nanoseconds interval) {
  return std::make_unique<FixedMetric>(std::move(expression), interval);
}

}  // namespace tl::pace
