#include "pace/freshness.hh"

#include <doctest/doctest.h>

#include "pace/budget.hh"
#include "pace/fixed_equivalent.hh"
#include "support/change_traces.hh"

namespace tl::pace_freshness_test {
using namespace tl::pace;
using namespace tl::test;

namespace {
constexpr std::int64_t kS = 1'000'000'000;
}

TEST_CASE("staleness is the time from each change to the poll that covers it") {
  Freshness account;
  account.add({10 * kS, 400, false, {4 * kS, 9 * kS}, false});
  account.add({20 * kS, 400, false, {}, false});
  account.add({30 * kS, 100, true, {}, false});
  account.add({40 * kS, 500, false, {38 * kS}, true});
  const FreshnessSummary summary = account.summary();
  CHECK(summary.polls == 4);
  CHECK(summary.failed_polls == 1);
  CHECK(summary.useful_polls == 2);
  CHECK(summary.changes == 3);
  CHECK(summary.missed_changes == 1);  // the one at 4 s was overwritten before anyone looked
  CHECK(summary.wire_bytes == 1400);
  CHECK(summary.mean_ns == 3 * kS);
  CHECK(summary.longest_ns == 6 * kS);
  CHECK(summary.p99_ns == 6 * kS);
  CHECK(summary.median_interval_ns == 10 * kS);
}

TEST_CASE("a change with a time after the poll's, by another clock, is not negative staleness") {
  Freshness account;
  account.add({10 * kS, 0, false, {11 * kS}, true});
  CHECK(account.summary().mean_ns == 0);
}

TEST_CASE("without a budget every poll may start at once") {
  Budget budget{{}};
  for (int i = 0; i < 1000; ++i) budget.charge(kS, 1 << 20);
  CHECK(budget.allowed_ns(kS) == kS);
}

TEST_CASE("a budget lets ten seconds' worth pass at once and then its rate") {
  Budget budget{{2, 0}};
  std::int64_t now_ns = 100 * kS;
  for (int i = 0; i < 20; ++i) {
    CHECK(budget.allowed_ns(now_ns) == now_ns);
    budget.charge(now_ns, 500);
  }
  budget.charge(now_ns, 500);
  CHECK(budget.allowed_ns(now_ns) == now_ns + kS / 2);
}

TEST_CASE("one large answer delays the polls after it until it is paid for") {
  Budget budget{{0, 1000}};
  budget.charge(kS, 15'000);
  CHECK(budget.allowed_ns(kS) == 6 * kS);
  CHECK(budget.allowed_ns(7 * kS) == 7 * kS);
}

TEST_CASE("changes whose time is not known count, but give no staleness") {
  Freshness account;
  account.add({10 * kS, 400, false, {}, true, 3});
  account.add({20 * kS, 400, false, {15 * kS}, true});
  CHECK(account.summary().changes == 4);
  CHECK(account.summary().timed_changes == 1);
  CHECK(account.summary().mean_ns == 5 * kS);
}

TEST_CASE("the fixed interval of equal bytes agrees with polling the same changes at all phases") {
  const VirtualServer server{poisson_trace(60), 0};
  const std::uint64_t bytes = 300 * measured_wire().instant_bytes;
  const EqualBytes simulated = fixed_at_equal_bytes(server, bytes);
  const FixedEquivalent formula =
      fixed_equivalent(kTraceEndNs, bytes, measured_wire().instant_bytes);
  CHECK(formula.polls == 300);
  CHECK(formula.interval_ns == simulated.interval_ns);
  CHECK(static_cast<double>(formula.mean_ns) ==
        doctest::Approx(static_cast<double>(simulated.mean_ns)).epsilon(0.02));
}
}  // namespace tl::pace_freshness_test
