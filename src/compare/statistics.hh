// Statistics over runs: one number a run. Samples inside a run depend on each other and are never
// pooled here. Exact where that is possible, so that few runs are judged honestly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tl {

using Runs = std::vector<double>;  // one value a run

inline constexpr std::uint64_t kBootstrapSeed = 20'260'131;
inline constexpr std::size_t kResamples = 2000;
// Up to so many runs in all the distribution of the ranks is enumerated; above, it is approximated
// by a normal one with continuity and tie correction.
inline constexpr std::size_t kMostExactRuns = 50;

// The middle one, or the mean of the middle two. `values` must not be empty.
double median(Runs values);
// Unbiased (n - 1); 0 for fewer than two runs.
double sample_deviation(std::span<const double> values);

// A small generator (SplitMix64, Steele et al. 2014): the same numbers with every library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_{seed} {}
  std::uint64_t next();
  std::size_t below(std::size_t end);  // 0 … end - 1

 private:
  std::uint64_t state_;
};

struct Interval {
  double low = 0, high = 0;
};

// Percentile bootstrap interval of the difference median(fresh) - median(base). With few runs it is
// narrower than it says (both medians take few values): it illustrates, it decides nothing.
Interval bootstrap_difference(const Runs& base, const Runs& fresh, double confidence,
                              std::uint64_t seed = kBootstrapSeed);

// How likely data so low, or so high, are if there is no difference. Both include what was seen,
// so they add up to more than 1.
struct Tails {
  double low = 1, high = 1;
};

// Mann-Whitney: of the ranks of `fresh` among both (equal values share their mean rank).
Tails rank_sum_tails(const Runs& base, const Runs& fresh);
// Wilcoxon's signed ranks: of differences against 0 (Pratt: zeros are ranked, then left out).
Tails signed_rank_tails(const Runs& differences);
// Two-sided, from one-sided tails.
double two_sided(const Tails& tails);

// Cliff's delta: P(fresh > base) - P(fresh < base), -1 … 1.
double cliffs_delta(const Runs& base, const Runs& fresh);
// Hodges-Lehmann: the median of all fresh - base.
double shift(const Runs& base, const Runs& fresh);

// The fewest runs a side with which the exact test can reject at all, each tail at
// (1 - confidence) / 2; of pairs for the paired one.
std::size_t fewest_runs(double confidence);
std::size_t fewest_pairs(double confidence);
// How many a side show a true difference of `difference` with standard deviation `noise` in four
// cases of five, by the normal approximation and the test's asymptotic efficiency (3/π). Never
// less than fewest_runs; capped at 100,000.
std::size_t runs_needed(double difference, double noise, double confidence);
std::size_t pairs_needed(double difference, double noise, double confidence);

}  // namespace tl
