#include "pace/scrape_run.hh"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.hh"
#include "base/errors.hh"
#include "pace/poll_loop.hh"
#include "pace/waiting.hh"

namespace tl::pace {
namespace {

constexpr std::chrono::minutes kDefaultLookback{5};

std::chrono::milliseconds lookback_of(Prometheus& server, const std::string& url) {
  const live::WebResponse response = server.get("/api/v1/status/flags");
  if (!response.ok())
    throw MachineError{fmt::format(
        "ask {} for its flags: {}", url,
        response.status == 0 ? response.error : fmt::format("HTTP {}", response.status))};
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  const nlohmann::json::json_pointer flag{"/data/query.lookback-delta"};
  if (json.is_discarded() || !json.contains(flag)) return kDefaultLookback;
  return parse_prometheus_duration(json.at(flag));
}

// More often than a reload may happen there is nothing to learn for, less often it would be late.
std::vector<std::unique_ptr<PolledMetric>> watched_metrics(const PaceConfig& config,
                                                           std::chrono::nanoseconds between) {
  PaceLimits limits = config.limits;
  limits.longest = limits.first = std::clamp(between, limits.shortest, limits.longest);
  std::vector<std::unique_ptr<PolledMetric>> metrics;
  for (const MetricSetting& metric : config.metrics) {
    if (!is_selector(metric.expression))
      throw UsageError{
          fmt::format("pace scrape '{}': only a selector such as NAME or NAME{{LABEL=\"VALUE\"}} "
                      "belongs to jobs",
                      metric.expression)};
    AdaptiveOptions options{limits, true, {}};
    metrics.push_back(adaptive_metric(metric.expression, std::move(options)));
  }
  return metrics;
}

}  // namespace

std::uint64_t run_scrape_pacing(const PaceConfig& config, ScrapePlan plan,
                                const std::filesystem::path& file,
                                std::optional<std::chrono::nanoseconds> duration, int stop_fd,
                                const ScrapePacer::Say& say) {
  Prometheus server{config.prometheus};
  plan.limits.longest = std::min(
      plan.limits.longest, longest_scrape_interval(lookback_of(server, config.prometheus.url)));
  if (plan.limits.shortest > plan.limits.longest)
    throw UsageError{fmt::format("pace scrape: the shortest interval {} is over the longest {}",
                                 format_prometheus_duration(plan.limits.shortest),
                                 format_prometheus_duration(plan.limits.longest))};
  const auto between = plan.between_reloads;
  ConfigWriter writer{file, server};
  ScrapePacer pacer{std::move(plan), writer, say};
  PollLoop loop{watched_metrics(config, between), config.budget, [&](const PollOutcome& outcome) {
                  for (const SeriesSamples& series : outcome.new_samples) pacer.learn(series);
                  if (!outcome.row.error.empty())
                    say(fmt::format("poll {}: {}", outcome.row.metric, outcome.row.error));
                }};
  (void)server.synchronize();
  const std::int64_t end_ns = duration ? monotonic_ns() + duration->count() : INT64_MAX;
  while (true) {
    const std::int64_t now_ns = server.now_ns();
    const std::int64_t due_ns = monotonic_ns() + loop.next_ns(now_ns) - now_ns;
    if (!sleep_until(std::min(due_ns, end_ns), stop_fd) || monotonic_ns() >= end_ns) break;
    loop.poll(server);
    pacer.act(monotonic_ns());
  }
  return pacer.reloads();
}

}  // namespace tl::pace
