#include <algorithm>
#include <utility>

#include "pace/polled_metric.hh"

namespace tl::pace {
namespace {

constexpr std::int64_t kFirstWindowNs = 300'000'000'000;    // what there is already teaches
constexpr std::int64_t kLongestWindowNs = 600'000'000'000;  // of samples after values alone
constexpr std::int64_t kGoneAfterNs = 2 * kFirstWindowNs;   // a series that has ended
constexpr std::int64_t kChangesSlackNs = 1'000'000'000;
constexpr int kMostChangeQuestions = 8;  // then samples are looked at, to stay in step with them
constexpr int kSynchronizeEvery = 64;
// Gzip costs some 45 bytes of headers and saves some 20 bytes a sample (docs/pace.md).
constexpr std::int64_t kGzipFromSamples = 4;

struct Series {
  explicit Series(const PaceLimits& limits) : controller{limits} {}
  IntervalController controller;
  std::int64_t latest_ns = 0;  // of its samples that were fetched
  std::string value;
};

class AdaptiveMetric : public PolledMetric {
 public:
  AdaptiveMetric(std::string expression, AdaptiveOptions options)
      : expression_{std::move(expression)},
        options_{std::move(options)},
        is_selector_{is_selector(expression_)} {}

  PollOutcome poll(MetricSource& source) override;
  [[nodiscard]] const std::string& expression() const override { return expression_; }
  [[nodiscard]] FreshnessSummary summary() const override { return account_.summary(); }

 private:
  [[nodiscard]] Ask ask() const;
  QueryResult fetch(MetricSource& source, Ask& ask, std::int64_t now_ns);
  [[nodiscard]] std::int64_t window_start_ns(std::int64_t now_ns) const;
  void take(const QueryResult& result, Ask ask, std::int64_t now_ns, PollOutcome& outcome);
  Finding finding_of(Series& series, const SeriesSamples& got, Ask ask, SeriesSamples& fresh) const;
  Series& series_named(const std::string& name);
  [[nodiscard]] std::int64_t retry_ns(std::int64_t now_ns);

  std::string expression_;
  AdaptiveOptions options_;
  bool is_selector_;
  std::map<std::string, Series> series_;
  Freshness account_;
  std::int64_t previous_ns_ = 0;
  std::int64_t window_start_ns_ = 0;  // of the samples that were asked for
  std::int64_t expected_samples_ = 0;
  std::uint64_t fetches_ = 0;
  int change_questions_ = 0, failures_ = 0;
  bool has_answer_ = false;
};

// What any of the series needs.
Ask AdaptiveMetric::ask() const {
  if (!is_selector_) return Ask::value;
  if (series_.empty() || options_.every_sample) return Ask::samples;
  bool all_quiet = true, some_value = false;
  for (const auto& [name, series] : series_) {
    const Ask wanted = series.controller.ask();
    if (wanted == Ask::samples) return Ask::samples;
    all_quiet = all_quiet && wanted == Ask::changes_first;
    some_value = some_value || wanted == Ask::value;
  }
  if (all_quiet && change_questions_ < kMostChangeQuestions) return Ask::changes_first;
  return some_value ? Ask::value : Ask::samples;
}

// From the series that was heard of the longest time ago, without the sample that is known.
std::int64_t AdaptiveMetric::window_start_ns(std::int64_t now_ns) const {
  std::int64_t start_ns = now_ns;
  for (const auto& [name, series] : series_)
    start_ns = std::min(start_ns, series.latest_ns + 1'000'000);
  for (const auto& [name, latest_ns] : options_.known)
    if (!series_.contains(name)) start_ns = std::min(start_ns, latest_ns + 1'000'000);
  if (series_.empty() && options_.known.empty()) return now_ns - kFirstWindowNs;
  return options_.every_sample ? start_ns : std::max(start_ns, now_ns - kLongestWindowNs);
}

QueryResult AdaptiveMetric::fetch(MetricSource& source, Ask& ask, std::int64_t now_ns) {
  if (ask == Ask::value) return source.query(expression_, std::nullopt, false);
  window_start_ns_ = window_start_ns(now_ns);
  const std::int64_t window_ns = now_ns - window_start_ns_;
  WireCost before;
  if (ask == Ask::changes_first) {
    const std::string range = promql_duration(window_ns + kChangesSlackNs);
    QueryResult counts =
        source.query("changes(" + expression_ + "[" + range + "])", std::nullopt, false);
    const bool has_changed =
        std::any_of(counts.series.begin(), counts.series.end(),
                    [](const SeriesSamples& s) { return s.samples.back().value != "0"; });
    // As many series as are known, and none has changed.
    if (!counts.error.empty() || (!has_changed && counts.series.size() == series_.size())) {
      ++change_questions_;
      counts.series.clear();
      return counts;
    }
    before = counts.cost;
    ask = Ask::samples;
  }
  const bool gzip = expected_samples_ >= kGzipFromSamples;
  QueryResult result =
      source.query(expression_ + "[" + promql_duration(window_ns) + "]", now_ns, gzip);
  result.cost += before;
  if (++fetches_ % kSynchronizeEvery == 0) result.cost += source.synchronize();
  change_questions_ = 0;
  return result;
}

Series& AdaptiveMetric::series_named(const std::string& name) {
  const auto [at, is_new] = series_.try_emplace(name, options_.limits);
  if (const auto known = options_.known.find(name); is_new && known != options_.known.end())
    at->second.latest_ns = known->second;
  return at->second;
}

Finding AdaptiveMetric::finding_of(Series& series, const SeriesSamples& got, Ask ask,
                                   SeriesSamples& fresh) const {
  Finding finding;
  finding.is_exact = is_selector_;
  finding.is_value_only = is_selector_ && ask == Ask::value;
  finding.has_hole = ask == Ask::samples && series.latest_ns > 0 && previous_ns_ > 0 &&
                     window_start_ns_ > series.latest_ns + 1'000'000;
  for (const Sample& sample : got.samples) {
    if (ask == Ask::samples && sample.time_ns <= series.latest_ns) continue;
    // The first value ever seen is no change.
    const bool is_change = !series.value.empty() && sample.value != series.value;
    if (is_change) finding.changes_ns.push_back(sample.time_ns);
    series.value = sample.value;
    if (ask != Ask::samples) continue;
    finding.samples_ns.push_back(sample.time_ns);
    series.latest_ns = sample.time_ns;
    fresh.samples.push_back(sample);
  }
  return finding;
}

void AdaptiveMetric::take(const QueryResult& result, Ask ask, std::int64_t now_ns,
                          PollOutcome& outcome) {
  for (const SeriesSamples& got : result.series) (void)series_named(got.series);
  std::vector<std::int64_t> changes;
  const bool is_first = !std::exchange(has_answer_, true);
  outcome.next_ns = now_ns + options_.limits.longest.count();
  if (series_.empty()) outcome.next_ns = now_ns + options_.limits.first.count();
  for (auto& [name, series] : series_) {
    const auto got =
        std::find_if(result.series.begin(), result.series.end(),
                     [&name = name](const SeriesSamples& one) { return one.series == name; });
    SeriesSamples fresh{name, {}};
    Finding finding = finding_of(series, got == result.series.end() ? fresh : *got, ask, fresh);
    finding.poll_ns = now_ns;
    if (!is_first)
      changes.insert(changes.end(), finding.changes_ns.begin(), finding.changes_ns.end());
    outcome.row.samples += fresh.samples.size();
    const std::int64_t next_ns = series.controller.next_poll_ns(finding);
    if (next_ns < outcome.next_ns) {
      outcome.next_ns = next_ns;
      outcome.row.mode = name_of(series.controller.mode());
    }
    if (outcome.row.mode.empty()) outcome.row.mode = name_of(series.controller.mode());
    if (!fresh.samples.empty()) outcome.new_samples.push_back(std::move(fresh));
  }
  outcome.row.changes = changes.size();
  expected_samples_ =
      ask == Ask::samples ? static_cast<std::int64_t>(outcome.row.samples) : expected_samples_;
  const bool are_timed = ask != Ask::value;
  account_.add({outcome.row.time_ns + outcome.row.cost.duration_ns, outcome.row.cost.bytes(), false,
                are_timed ? changes : std::vector<std::int64_t>{}, are_timed,
                are_timed ? 0 : changes.size()});
  if (are_timed && !changes.empty())
    outcome.row.staleness_ns = now_ns - *std::min_element(changes.begin(), changes.end());
  std::erase_if(series_, [&](const auto& one) {
    return one.second.latest_ns > 0 && one.second.latest_ns < now_ns - kGoneAfterNs &&
           ask == Ask::samples;
  });
}

// An unreachable server is asked again after 1, 2, 4 … of the shortest interval.
std::int64_t AdaptiveMetric::retry_ns(std::int64_t now_ns) {
  const std::int64_t pause_ns = options_.limits.shortest.count() << std::min(failures_++, 10);
  return now_ns + std::min(pause_ns, options_.limits.longest.count());
}

PollOutcome AdaptiveMetric::poll(MetricSource& source) {
  // Prometheus' times are milliseconds, and the windows must meet exactly.
  const std::int64_t now_ns = source.now_ns() / 1'000'000 * 1'000'000;
  Ask asked = ask();
  const QueryResult result = fetch(source, asked, now_ns);
  PollOutcome outcome;
  outcome.row.time_ns = now_ns;
  outcome.row.metric = expression_;
  outcome.row.cost = result.cost;
  outcome.row.error = result.error;
  outcome.row.interval_ns = previous_ns_ > 0 ? now_ns - previous_ns_ : 0;
  if (result.error.empty()) {
    failures_ = 0;
    take(result, asked, now_ns, outcome);
  } else {
    account_.add({now_ns + result.cost.duration_ns, result.cost.bytes(), true, {}, true});
    outcome.next_ns = retry_ns(now_ns);
    outcome.row.mode = "failed";
  }
  previous_ns_ = now_ns;
  return outcome;
}

}  // namespace

std::unique_ptr<PolledMetric> adaptive_metric(std::string expression, AdaptiveOptions options) {
  return std::make_unique<AdaptiveMetric>(std::move(expression), std::move(options));
}

}  // namespace tl::pace
