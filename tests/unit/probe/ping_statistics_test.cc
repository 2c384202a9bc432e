// Test 11 of the telemetry reference: the definitions of jitter, on vectors worked out by hand.
#include "probe/ping_statistics.hh"

#include <doctest/doctest.h>

namespace tl::probe_ping_statistics_test {
using namespace std::chrono_literals;

namespace {

PingReply reply(std::uint16_t sequence, std::chrono::nanoseconds rtt) { return {sequence, rtt}; }

PingResult round(int attempts, std::vector<PingReply> replies) {
  PingResult result;
  result.attempts = attempts;
  result.received = static_cast<int>(replies.size());
  result.replies = std::move(replies);
  return result;
}

}  // namespace

TEST_CASE("11 the compatible jitter is the mean step between received replies, bridging losses") {
  // |10-12| + |12-11| + |11-15| = 7, over three steps
  CHECK(*consecutive_difference(std::vector{10.0, 12.0, 11.0, 15.0}) == doctest::Approx(7.0 / 3));
  CHECK(*consecutive_difference(std::vector{5.0, 5.0}) == 0.0);
  CHECK_FALSE(consecutive_difference(std::vector{5.0}));
  CHECK_FALSE(consecutive_difference(std::vector<double>{}));
}

TEST_CASE("11 the variation by sequence number loses two values with one lost request") {
  // 0, 1, (2 lost), 3, 4: only 0-1 and 3-4 count.
  const std::vector replies{reply(0, 10ms), reply(1, 12ms), reply(3, 20ms), reply(4, 21ms)};
  CHECK(*sequence_difference(replies) == doctest::Approx((2.0 + 1.0) / 2));
  CHECK_FALSE(sequence_difference(std::vector{reply(0, 10ms), reply(2, 12ms)}));
}

TEST_CASE("11 the variation by sequence number does not depend on the order of arrival") {
  const std::vector in_order{reply(0, 10ms), reply(1, 40ms), reply(2, 11ms)};
  const std::vector overtaken{reply(0, 10ms), reply(2, 11ms), reply(1, 40ms)};
  CHECK(*sequence_difference(in_order) == doctest::Approx(29.5));
  CHECK(*sequence_difference(overtaken) == doctest::Approx(29.5));
}

TEST_CASE("11 the smoothed jitter follows RFC 3550") {
  // J1 = 16/16 = 1; J2 = 1 + (16 - 1)/16 = 1.9375
  CHECK(*smoothed_difference(std::vector{0.0, 16.0, 0.0}) == 1.9375);
  CHECK_FALSE(smoothed_difference(std::vector{3.0}));
}

TEST_CASE("11 deviation and quantiles are those of the population and the nearest rank") {
  CHECK(*standard_deviation(std::vector{2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0}) == 2.0);
  std::vector<double> values;
  for (int i = 100; i >= 1; --i) values.push_back(i);
  CHECK(*nearest_rank(values, 0.5) == 50);
  CHECK(*nearest_rank(values, 0.95) == 95);
  CHECK(*nearest_rank(values, 0.99) == 99);
  CHECK(*nearest_rank({7.0}, 0.99) == 7);
  CHECK_FALSE(nearest_rank({}, 0.5));
}

TEST_CASE("2 the loss of four in a thousand is 0.4 percent, of 29 in 100 it is 29") {
  CHECK(summarise(round(1000, std::vector<PingReply>(996))).loss_pct == 0.4);
  CHECK(summarise(round(100, std::vector<PingReply>(71))).loss_pct == 29.0);
}

TEST_CASE("2 a round without replies has full loss and no round trips") {
  const PingSummary summary = summarise(round(5, {}));
  CHECK(summary.loss_pct == 100.0);
  CHECK_FALSE(summary.average_ms);
  CHECK_FALSE(summary.min_ms);
  CHECK_FALSE(summary.max_ms);
  CHECK_FALSE(summary.jitter_ms);
  CHECK_FALSE(summary.p99_ms);
}

TEST_CASE("2 one reply has an average and no jitter") {
  const PingSummary summary = summarise(round(5, {reply(2, 3ms)}));
  CHECK(*summary.average_ms == 3.0);
  CHECK_FALSE(summary.jitter_ms);
  CHECK_FALSE(summary.ipdv_ms);
  CHECK_FALSE(summary.stddev_ms);
  CHECK(summary.loss_pct == 80.0);
}
}  // namespace tl::probe_ping_statistics_test
