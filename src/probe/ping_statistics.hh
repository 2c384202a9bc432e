// Numbers of a ping round: pure functions over its replies. A number that the replies do not define
// (a jitter of one reply) is absent, never 0.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "probe/ping.hh"

namespace tl {

struct PingSummary {
  std::optional<double> average_ms, min_ms, max_ms;
  std::optional<double> jitter_ms;          // consecutive_difference
  std::optional<double> ipdv_ms;            // sequence_difference
  std::optional<double> jitter_rfc3550_ms;  // smoothed_difference
  std::optional<double> stddev_ms;          // population standard deviation (telegraf, pro-bing)
  std::optional<double> p50_ms, p95_ms, p99_ms;  // nearest rank
  double loss_pct = 100;  // 100 x (attempts - received) / attempts, not rounded
};
PingSummary summarise(const PingResult& result);

// The jitter of icmplib: mean |rtt[i] - rtt[i+1]| of the answered requests in order of arrival,
// bridging lost ones. icmplib rounds it to three decimals and says 0 for fewer than two.
std::optional<double> consecutive_difference(std::span<const double> rtts);
// Mean |rtt[s] - rtt[s+1]| over neighbouring sequence numbers that were both answered: a lost
// request costs two values (IPDV, RFC 3393).
std::optional<double> sequence_difference(std::span<const PingReply> replies);
// RFC 3550, 6.4.1: J += (|D| - J) / 16 from J = 0, D between replies in order of arrival.
std::optional<double> smoothed_difference(std::span<const double> rtts);
std::optional<double> standard_deviation(std::span<const double> values);
// The smallest value with at least `share` (0, 1] of all values at or below it.
std::optional<double> nearest_rank(std::vector<double> values, double share);

}  // namespace tl
