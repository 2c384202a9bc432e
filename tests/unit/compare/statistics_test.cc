#include "compare/statistics.hh"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "compare/decision.hh"

namespace tl::compare_statistics_test {
namespace {

// Normal values by Box and Muller, from a seed: the same in every run of the tests.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) : random_{seed} {}
  Runs runs(std::size_t count, double mean, double sd) {
    Runs values(count);
    for (double& v : values)
      v = mean +
          sd * std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform());
    return values;
  }

 private:
  double uniform() { return (static_cast<double>(random_.next() >> 11U) + 0.5) * 0x1p-53; }
  Random random_;
};

Rule rule_of(double limit, bool is_paired = false) {
  return {Better::higher, {limit, true}, 0.95, is_paired};
}

}  // namespace

TEST_CASE("the rank sum test gives the published exact probabilities") {
  CHECK(rank_sum_tails({4, 5, 6}, {1, 2, 3}).low == doctest::Approx(1.0 / 20));
  CHECK(rank_sum_tails({5, 6, 7, 8}, {1, 2, 3, 4}).low == doctest::Approx(1.0 / 70));
  CHECK(rank_sum_tails({1, 2, 3, 4}, {5, 6, 7, 8}).high == doctest::Approx(1.0 / 70));
  // Mann and Whitney's table, n = m = 5: P(U <= 4) = 0.048
  CHECK(rank_sum_tails({3, 6, 8, 9, 10}, {1, 2, 4, 5, 7}).low == doctest::Approx(12.0 / 252));
}

TEST_CASE("equal values share their rank, and only equal values show nothing") {
  // Of the six ways to draw two of {1, 1, 2, 2}, one draws both ones.
  CHECK(rank_sum_tails({2, 2}, {1, 1}).low == doctest::Approx(1.0 / 6));
  CHECK(two_sided(rank_sum_tails({7, 7, 7, 7, 7}, {7, 7, 7, 7, 7})) == 1);
  CHECK(two_sided(rank_sum_tails(Runs(40, 7.0), Runs(40, 7.0))) == 1);
  CHECK(two_sided(signed_rank_tails(Runs(9, 0.0))) == 1);
}

TEST_CASE("the signed rank test gives the published exact probabilities") {
  CHECK(signed_rank_tails({1, 2, 3, 4, 5, 6}).high == doctest::Approx(1.0 / 64));
  CHECK(signed_rank_tails({-1, 2, 3, 4, 5, 6}).high == doctest::Approx(2.0 / 64));
  CHECK(signed_rank_tails({1, 2, -3, 4, 5, 6}).high == doctest::Approx(5.0 / 64));
}

TEST_CASE("the normal approximation continues the exact test") {
  Noise noise{1};
  const Runs base = noise.runs(25, 100, 3), fresh = noise.runs(25, 99, 3);
  Runs one_more = base;
  one_more.push_back(median(base));
  const Tails exact = rank_sum_tails(base, fresh), approximate = rank_sum_tails(one_more, fresh);
  CHECK(exact.low == doctest::Approx(approximate.low).epsilon(0.1));
  CHECK(exact.high == doctest::Approx(approximate.high).epsilon(0.1));
}

TEST_CASE("median, shift and Cliff's delta of small examples") {
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 2, 3}) == 2.5);
  CHECK(shift({1, 2, 3}, {11, 12, 13}) == 10);
  CHECK(cliffs_delta({1, 2}, {3, 4}) == 1);
  CHECK(cliffs_delta({3, 4}, {1, 2}) == -1);
  CHECK(cliffs_delta({1, 2}, {1, 2}) == 0);
  CHECK(sample_deviation(Runs{2, 4, 4, 4, 5, 5, 7, 9}) == doctest::Approx(std::sqrt(32.0 / 7)));
}

TEST_CASE("the fewest runs with which the exact test can reject") {
  CHECK(fewest_runs(0.95) == 4);
  CHECK(fewest_runs(0.99) == 5);
  CHECK(fewest_pairs(0.95) == 6);
  CHECK(fewest_pairs(0.99) == 8);
}

TEST_CASE("the same seed resamples the same interval, another seed another one") {
  Noise noise{2};
  const Runs base = noise.runs(8, 100, 3), fresh = noise.runs(8, 95, 3);
  const Interval once = bootstrap_difference(base, fresh, 0.95);
  const Interval again = bootstrap_difference(base, fresh, 0.95);
  const Interval other = bootstrap_difference(base, fresh, 0.95, 7);
  CHECK(once.low == again.low);
  CHECK(once.high == again.high);
  CHECK((once.low != other.low || once.high != other.high));
}

TEST_CASE("the bootstrap interval of 20 runs covers the true difference as often as it says") {
  Noise noise{3};
  int covered = 0;
  for (int i = 0; i < 200; ++i) {
    const Runs base = noise.runs(20, 100, 3), fresh = noise.runs(20, 95, 3);
    const Interval interval = bootstrap_difference(base, fresh, 0.95, static_cast<unsigned>(i));
    covered += interval.low <= -5 && -5 <= interval.high ? 1 : 0;
  }
  CHECK(covered >= 184);  // 92 %
}

TEST_CASE("three runs against three are always inconclusive, with the number that is needed") {
  for (const double fresh : {0.0, 50.0, 99.0, 101.0, 1e9}) {
    const Decision d = decide({100, 101, 102}, {fresh, fresh + 1, fresh + 2}, rule_of(0.05));
    CHECK(d.verdict == Verdict::inconclusive);
    CHECK(d.direction == Verdict::inconclusive);
    CHECK(d.runs_needed.value_or(0) >= 4);
    CHECK(d.reason.find("at least 4") != std::string::npos);
  }
}

TEST_CASE("A/A: of 200 comparisons at 5 % at most 7.5 % see a difference") {
  for (const std::size_t runs : {4U, 5U, 8U, 12U, 30U}) {
    Noise noise{runs};
    int alarms = 0, failures = 0;
    for (int i = 0; i < 200; ++i) {
      const Runs base = noise.runs(runs, 100, 3), fresh = noise.runs(runs, 100, 3);
      alarms += two_sided(rank_sum_tails(base, fresh)) <= 0.05 ? 1 : 0;
      failures += decide(base, fresh, rule_of(0.0)).verdict == Verdict::fail ? 1 : 0;
    }
    CAPTURE(runs);
    CHECK(alarms <= 15);
    CHECK(failures <= 9);  // one tail of both: nominal 2.5 %, here at most 4.5 %
  }
}

TEST_CASE("A/A in pairs: of 200 comparisons at 5 % at most 7.5 % see a difference") {
  for (const std::size_t pairs : {6U, 10U, 60U}) {
    Noise noise{pairs};
    int alarms = 0;
    for (int i = 0; i < 200; ++i) {
      Runs d = noise.runs(pairs, 0, 3);
      alarms += two_sided(signed_rank_tails(d)) <= 0.05 ? 1 : 0;
    }
    CAPTURE(pairs);
    CHECK(alarms <= 15);
  }
}

TEST_CASE("a true 5 % shift in 3 % noise is found with the stated power of 80 %") {
  const std::size_t runs = runs_needed(5, 3, 0.95);
  const std::size_t pairs = pairs_needed(5, 3 * std::numbers::sqrt2, 0.95);
  CHECK(runs <= 10);
  Noise noise{5};
  int found = 0, found_in_pairs = 0;
  for (int i = 0; i < 400; ++i) {
    found += decide(noise.runs(runs, 100, 3), noise.runs(runs, 95, 3), rule_of(0)).verdict ==
                     Verdict::fail
                 ? 1
                 : 0;
    found_in_pairs +=
        decide(noise.runs(pairs, 100, 3), noise.runs(pairs, 95, 3), rule_of(0, true)).verdict ==
                Verdict::fail
            ? 1
            : 0;
  }
  CAPTURE(runs);
  CAPTURE(pairs);
  CHECK(found >= 320);
  CHECK(found_in_pairs >= 320);
}

TEST_CASE("the verdict follows the limit, not the mere difference") {
  const Runs base{100, 101, 102, 103, 104}, three_less{97, 98, 99, 100, 101},
      ten_less{90, 91, 92, 93, 94}, more{110, 111, 112, 113, 114};
  CHECK(decide(base, ten_less, rule_of(0.05)).verdict == Verdict::fail);
  CHECK(decide(base, ten_less, rule_of(0.2)).verdict == Verdict::pass);
  CHECK(decide(base, ten_less, rule_of(0.2)).direction == Verdict::fail);
  CHECK(decide(base, three_less, rule_of(0.1)).verdict == Verdict::pass);
  CHECK(decide(base, three_less, rule_of(0.03)).verdict == Verdict::inconclusive);
  CHECK(decide(base, more, rule_of(0.0)).verdict == Verdict::pass);
  CHECK(decide(base, more, rule_of(0.0)).direction == Verdict::pass);
}

TEST_CASE("where lower is better the same numbers mean the opposite") {
  const Runs base{100, 101, 102, 103, 104}, more{110, 111, 112, 113, 114};
  CHECK(decide(base, more, {Better::lower, {0.05, true}, 0.95}).verdict == Verdict::fail);
  CHECK(decide(base, more, {Better::lower, {20, false}, 0.95}).verdict == Verdict::pass);
  CHECK(decide(more, base, {Better::lower, {0, true}, 0.95}).verdict == Verdict::pass);
  CHECK(decide(base, more, {Better::neither, {0.05, true}, 0.95}).verdict == Verdict::inconclusive);
}

TEST_CASE("in ABBA pairs a linear drift of the host cancels") {
  Runs a, b;
  int order = 0;
  for (int pair = 0; pair < 8; ++pair) {
    const bool is_a_first = pair % 2 == 0;
    for (int half = 0; half < 2; ++half, ++order)
      ((half == 0) == is_a_first ? a : b).push_back(1000 - 10.0 * order);
  }
  const Decision d = decide(a, b, rule_of(0.02, true));
  CHECK(d.shift == 0);
  CHECK(d.p > 0.9);
  CHECK(d.verdict == Verdict::pass);
}
}  // namespace tl::compare_statistics_test
