// Test 3 of the telemetry reference: waits, checked with an injected random number.
#include "live/retry.hh"

#include <doctest/doctest.h>

namespace tl::live_retry_test {
using namespace tl::live;
using namespace std::chrono_literals;

TEST_CASE("3 the backoff doubles its range up to the cap, with full jitter") {
  double random = 0.5;
  Backoff backoff{1s, 60s, [&] { return random; }};
  for (const auto expected : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 16000ms, 30000ms, 30000ms})
    CHECK(backoff.next() == expected);
  random = 0;
  CHECK(backoff.next() == 0s);
  backoff.reset();
  random = 0.999;
  CHECK(backoff.next() == 999ms);
}

TEST_CASE("3 the backoff stays at the cap for ever") {
  Backoff backoff{1s, 60s, [] { return 0.5; }};
  for (int i = 0; i < 1000; ++i) (void)backoff.next();
  CHECK(backoff.next() == 30s);
  CHECK(backoff.failures() == 1001);
}

TEST_CASE("3 Retry-After is read as seconds or as a date") {
  CHECK_FALSE(parse_retry_after("", 0));
  CHECK(*parse_retry_after("7", 0) == 7s);
  CHECK(*parse_retry_after("0", 0) == 0s);
  CHECK(*parse_retry_after("Sat, 21 Nov 2026 00:00:30 GMT", 1795219200 + 10) == 20s);
  CHECK(*parse_retry_after("Sat, 21 Nov 2026 00:00:30 GMT", 1795219200 + 40) == 0s);
}

TEST_CASE("3 a senseless Retry-After is ten seconds and a long one ten minutes") {
  CHECK(*parse_retry_after("soon", 0) == 10s);
  CHECK(*parse_retry_after("-5", 0) == 10s);
  CHECK(*parse_retry_after("86400", 0) == 600s);
  CHECK(*parse_retry_after("99999999999999999999999", 0) == 600s);
}
}  // namespace tl::live_retry_test
