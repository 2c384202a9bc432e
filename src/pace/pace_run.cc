#include "pace/pace_run.hh"

#include <algorithm>
#include <map>

#include "base/clock.hh"
#include "live/csv.hh"
#include "pace/poll_loop.hh"
#include "pace/sample_log.hh"
#include "pace/waiting.hh"

namespace tl::pace {
namespace {

std::vector<std::unique_ptr<PolledMetric>> polled_metrics(const PaceConfig& config, PaceMode mode,
                                                          const SampleLog* samples) {
  std::vector<std::unique_ptr<PolledMetric>> metrics;
  for (const MetricSetting& metric : config.metrics) {
    const auto interval = metric.interval.count() > 0 ? metric.interval : config.interval;
    if (mode == PaceMode::baseline) {
      metrics.push_back(fixed_metric(metric.expression, interval));
    } else {
      AdaptiveOptions options{config.limits, samples != nullptr, {}};
      if (samples != nullptr) options.known = samples->known();
      metrics.push_back(adaptive_metric(metric.expression, std::move(options)));
    }
  }
  return metrics;
}

// With what fixed polls would have cost, by one more poll.
void compare(Prometheus& server, const PolledMetric& metric, const PaceConfig& config,
             std::int64_t elapsed_ns, MetricReport& report) {
  const QueryResult instant = server.query(metric.expression(), std::nullopt, false);
  if (!instant.error.empty()) return;
  report.instant_bytes = instant.cost.bytes();
  const auto polls = static_cast<std::uint64_t>(elapsed_ns / config.interval.count() + 1);
  report.fixed_bytes = polls * report.instant_bytes;
  report.equal = fixed_equivalent(elapsed_ns, report.summary.wire_bytes, report.instant_bytes);
}

}  // namespace

PaceReport run_pace(const PaceConfig& config, PaceMode mode,
                    std::optional<std::chrono::nanoseconds> duration, int stop_fd) {
  Prometheus server{config.prometheus};
  live::CsvFile log{config.csv, cost_header(config.style)};
  std::optional<SampleLog> samples;
  if (mode == PaceMode::adaptive && !config.samples.empty()) samples.emplace(config.samples);
  std::map<std::string, std::string> last_errors;  // by expression
  PollLoop loop{polled_metrics(config, mode, samples ? &*samples : nullptr), config.budget,
                [&](const PollOutcome& outcome) {
                  if (samples)
                    for (const SeriesSamples& series : outcome.new_samples) samples->append(series);
                  if (!outcome.row.error.empty())
                    last_errors[outcome.row.metric] = outcome.row.error;
                  log.append(cost_line(outcome.row, config.style));
                }};
  if (mode == PaceMode::adaptive) (void)server.synchronize();
  const std::int64_t begin_ns = monotonic_ns();
  const std::int64_t end_ns = duration ? begin_ns + duration->count() : INT64_MAX;
  while (true) {
    const std::int64_t now_ns = server.now_ns();
    const std::int64_t due_ns = monotonic_ns() + loop.next_ns(now_ns) - now_ns;
    if (!sleep_until(std::min(due_ns, end_ns), stop_fd) || monotonic_ns() >= end_ns) break;
    loop.poll(server);
  }
  PaceReport report{mode, config.interval, monotonic_ns() - begin_ns, {}};
  for (const auto& metric : loop.metrics()) {
    report.metrics.push_back(
        {metric->expression(), metric->summary(), last_errors[metric->expression()], 0, 0, {}});
    if (mode == PaceMode::adaptive)
      compare(server, *metric, config, report.elapsed_ns, report.metrics.back());
  }
  return report;
}

}  // namespace tl::pace
