#include "probe/ping_statistics.hh"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tl {
namespace {

double in_milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>{duration}.count();
}

std::vector<double> round_trips_ms(std::span<const PingReply> replies) {
  std::vector<double> values;
  values.reserve(replies.size());
  for (const PingReply& reply : replies) values.push_back(in_milliseconds(reply.rtt));
  return values;
}

std::optional<double> mean(std::span<const double> values) {
  if (values.empty()) return std::nullopt;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

std::optional<double> consecutive_difference(std::span<const double> rtts) {
  std::vector<double> steps;
  for (std::size_t i = 1; i < rtts.size(); ++i) steps.push_back(std::abs(rtts[i] - rtts[i - 1]));
  return mean(steps);
}

std::optional<double> sequence_difference(std::span<const PingReply> replies) {
  std::vector<PingReply> sorted{replies.begin(), replies.end()};
  std::sort(sorted.begin(), sorted.end(),
            [](const PingReply& a, const PingReply& b) { return a.sequence < b.sequence; });
  std::vector<double> steps;
  for (std::size_t i = 1; i < sorted.size(); ++i)
    if (sorted[i].sequence == sorted[i - 1].sequence + 1)
      steps.push_back(std::abs(in_milliseconds(sorted[i].rtt - sorted[i - 1].rtt)));
  return mean(steps);
}

std::optional<double> smoothed_difference(std::span<const double> rtts) {
  if (rtts.size() < 2) return std::nullopt;
  double jitter = 0;
  for (std::size_t i = 1; i < rtts.size(); ++i)
    jitter += (std::abs(rtts[i] - rtts[i - 1]) - jitter) / 16;
  return jitter;
}

std::optional<double> standard_deviation(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  const double average = *mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - average) * (value - average);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

std::optional<double> nearest_rank(std::vector<double> values, double share) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  const auto index = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return values[std::min(index, values.size() - 1)];
}

PingSummary summarise(const PingResult& result) {
  PingSummary summary;
  if (result.attempts > 0)
    summary.loss_pct = 100.0 * (result.attempts - result.received) / result.attempts;
  const std::vector<double> rtts = round_trips_ms(result.replies);
  if (rtts.empty()) return summary;
  summary.average_ms = mean(rtts);
  summary.min_ms = *std::min_element(rtts.begin(), rtts.end());
  summary.max_ms = *std::max_element(rtts.begin(), rtts.end());
  summary.jitter_ms = consecutive_difference(rtts);
  summary.ipdv_ms = sequence_difference(result.replies);
  summary.jitter_rfc3550_ms = smoothed_difference(rtts);
  summary.stddev_ms = standard_deviation(rtts);
  summary.p50_ms = nearest_rank(rtts, 0.5);
  summary.p95_ms = nearest_rank(rtts, 0.95);
  summary.p99_ms = nearest_rank(rtts, 0.99);
  return summary;
}

}  // namespace tl
