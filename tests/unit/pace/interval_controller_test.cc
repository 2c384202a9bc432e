// Test 12 of the telemetry reference on a virtual clock, and the controller's rules one by one.
#include "pace/interval_controller.hh"

#include <doctest/doctest.h>

#include "support/change_traces.hh"

namespace tl::pace_interval_controller_test {
using namespace tl::pace;
using namespace tl::test;
using namespace std::chrono_literals;
using Mode = IntervalController::Mode;

namespace {

constexpr std::int64_t kFifteenSecondsNs = 15 * kSecondNs;

// A change at each of `times_s`, all found by the last poll, which is at the last of them.
Finding found_at(std::initializer_list<std::int64_t> times_s, std::int64_t poll_s) {
  Finding finding;
  finding.poll_ns = poll_s * kSecondNs;
  for (const std::int64_t at_s : times_s) finding.changes_ns.push_back(at_s * kSecondNs);
  return finding;
}

double percent_staler(const VirtualServer& server) {
  const FreshnessSummary adaptive = poll_adaptive(server, {});
  const EqualBytes fixed = fixed_at_equal_bytes(server, adaptive.wire_bytes);
  if (fixed.mean_ns == 0) return 0;
  return 100.0 * static_cast<double>(adaptive.mean_ns - fixed.mean_ns) /
         static_cast<double>(fixed.mean_ns);
}

}  // namespace

TEST_CASE("12 at equal bytes no source is more than 10 % staler than with a fixed interval") {
  for (const std::int64_t scrape_s : {0, 1, 5, 15})
    for (const ChangeTrace& trace : all_traces()) {
      CAPTURE(trace.name);
      CAPTURE(scrape_s);
      CHECK(percent_staler({trace, scrape_s * kSecondNs}) <= 10);
    }
}

TEST_CASE("12 random sources are on average no staler either, whatever the seed") {
  double sum = 0;
  constexpr int kSeeds = 20;
  for (int seed = 1; seed <= kSeeds; ++seed)
    sum += percent_staler({poisson_trace(60, static_cast<std::uint64_t>(seed)), 0});
  CHECK(sum / kSeeds <= 5);
}

TEST_CASE("12 periodic sources are five times fresher, within 10 % of the period, for 1.6 polls") {
  for (const std::int64_t period_s : {15, 60})
    for (const std::int64_t jitter_ms : {0, 100}) {
      const VirtualServer server{periodic_trace(period_s, jitter_ms), 0};
      const FreshnessSummary adaptive = poll_adaptive(server, {});
      const EqualBytes fixed = fixed_at_equal_bytes(server, adaptive.wire_bytes);
      CAPTURE(server.trace.name);
      CHECK(5 * adaptive.mean_ns <= fixed.mean_ns);
      CHECK(10 * adaptive.mean_ns < period_s * kSecondNs);
      CHECK(10 * adaptive.polls <= 16 * adaptive.changes);
      CHECK(adaptive.missed_changes == 0);
    }
}

TEST_CASE("12 a constant source costs 85 % less than a poll every 15 s") {
  for (const std::int64_t scrape_s : {0, 5, 15}) {
    const VirtualServer server{constant_trace(), scrape_s * kSecondNs};
    const auto fixed = poll_fixed(server, kFifteenSecondsNs, kSecondNs);
    CHECK(100 * poll_adaptive(server, {}).wire_bytes <= 15 * fixed.wire_bytes);
  }
}

TEST_CASE("12 the onset of a burst is found within the longest interval") {
  const auto summary = poll_adaptive({burst_trace(), 0}, {});
  CHECK(summary.longest_ns <= 120 * kSecondNs);
  CHECK(summary.changes == burst_trace().changes_ns.size());
}

TEST_CASE("while nothing changes the interval doubles up to the longest") {
  IntervalController controller{{1s, 100s, 15s}};
  std::int64_t now_ns = kSecondNs;
  for (const std::int64_t expected_s : {15, 30, 60, 100, 100}) {
    const std::int64_t next_ns = controller.next_poll_ns({now_ns, {}, {}, true});
    CHECK((next_ns - now_ns) / kSecondNs == expected_s);
    now_ns = next_ns;
  }
  CHECK(controller.mode() == Mode::learning);
  CHECK(controller.ask() == Ask::changes_first);
}

TEST_CASE("regular changes lock it just after the next one, and a late one gets one more poll") {
  IntervalController controller{{}};
  const std::int64_t due_ns = controller.next_poll_ns(found_at({10, 20, 30, 40, 50}, 51));
  CHECK(controller.mode() == Mode::locked);
  CHECK(due_ns > 60 * kSecondNs);
  CHECK(due_ns < 61 * kSecondNs);
  const std::int64_t again_ns = controller.next_poll_ns({due_ns, {}, {}, true});
  CHECK(again_ns - due_ns == kSecondNs);
  const std::int64_t given_up_ns = controller.next_poll_ns({again_ns, {}, {}, true});
  CHECK(controller.mode() == Mode::quiet);
  CHECK(given_up_ns - again_ns > 5 * kSecondNs);
}

TEST_CASE("one gap of eight may be an outlier, of four none") {
  ChangeHistory eight;
  for (const std::int64_t at_s : {1, 2, 3, 4, 5, 60, 61, 62, 63}) eight.add(at_s * kSecondNs);
  CHECK(eight.rhythm(15));
  CHECK(eight.rhythm(15)->period_ns == kSecondNs);
  ChangeHistory four;
  for (const std::int64_t at_s : {1, 2, 3, 4, 9}) four.add(at_s * kSecondNs);
  CHECK_FALSE(four.rhythm(15));
}

TEST_CASE("polls come after a sample, and later once samples turn out to become visible later") {
  IntervalController controller{{1s, 120s, 15s}};
  Finding finding;
  for (std::int64_t at_s = 5; at_s <= 50; at_s += 5) finding.samples_ns.push_back(at_s * kSecondNs);
  finding.poll_ns = 52 * kSecondNs;
  const std::int64_t first_ns = controller.next_poll_ns(finding);
  CHECK(first_ns % (5 * kSecondNs) == 100'000'000);
  // The sample of that moment was not there yet: it shows in the next poll.
  finding.samples_ns = {55 * kSecondNs, 60 * kSecondNs};
  finding.poll_ns = first_ns;
  const std::int64_t second_ns = controller.next_poll_ns(finding);
  finding.samples_ns = {first_ns - 100'000'000, second_ns / kSecondNs * kSecondNs};
  finding.poll_ns = second_ns;
  CHECK(controller.next_poll_ns(finding) % (5 * kSecondNs) == 210'000'000);
}

TEST_CASE("the interval stays within its limits whatever is found") {
  IntervalController controller{{2s, 60s, 15s}};
  std::int64_t now_ns = kSecondNs;
  for (int i = 0; i < 300; ++i) {
    Finding finding{now_ns, {}, {}, true};
    for (int k = 0; k < i % 7; ++k) finding.changes_ns.push_back(now_ns - (7 - k) * 100'000'000);
    finding.samples_ns = finding.changes_ns;
    const std::int64_t next_ns = controller.next_poll_ns(finding);
    CHECK(next_ns - now_ns >= 2 * kSecondNs);
    CHECK(next_ns - now_ns <= 60 * kSecondNs);
    now_ns = next_ns;
  }
}

TEST_CASE("of an expression only its changes are counted: faster while all polls find one") {
  IntervalController controller{{1s, 120s, 16s}};
  std::int64_t now_ns = kSecondNs, interval_ns = 0;
  for (int i = 0; i < 30; ++i) {
    const std::int64_t next_ns = controller.next_poll_ns({now_ns, {}, {now_ns}, false});
    interval_ns = next_ns - now_ns;
    now_ns = next_ns;
  }
  CHECK(controller.mode() == Mode::counted);
  CHECK(interval_ns == kSecondNs);
  for (int i = 0; i < 60; ++i) {
    const std::int64_t next_ns = controller.next_poll_ns({now_ns, {}, {}, false});
    interval_ns = next_ns - now_ns;
    now_ns = next_ns;
  }
  CHECK(interval_ns == 120 * kSecondNs);
}

TEST_CASE("the rate of changes is estimated without the bias of changes that hide each other") {
  ChangeRate rate;
  for (int i = 0; i < 12; ++i) rate.add(10 * kSecondNs, i % 2 == 0);
  // 6 of 12 changed: -log(6.5 / 12.5) = 0.654 changes an interval, not 0.5.
  CHECK(static_cast<double>(*rate.mean_gap_ns()) / 1e9 == doctest::Approx(15.29).epsilon(0.001));
}
}  // namespace tl::pace_interval_controller_test
