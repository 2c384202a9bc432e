#include "compare/statistics.hh"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace tl {
namespace {

constexpr std::size_t kMostRuns = 100'000;
constexpr double kPower = 0.8;
// A test of few ranks rejects less often than its level allows; simulation (statistics_test.cc)
// shows that so many more make up for it.
constexpr double kMoreRuns = 2, kMorePairs = 3;

// Φ⁻¹ by bisection: called a few times a comparison, and exact enough for a count of runs.
double normal_quantile(double p) {
  double low = -10, high = 10;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    const double below = std::erfc(-middle / std::numbers::sqrt2) / 2;
    (below < p ? low : high) = middle;
  }
  return low;
}

double normal_below(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }

// The tails of a whole-numbered statistic; half a unit is the correction for continuity.
Tails normal_tails(double seen, double mean, double variance, double half_step) {
  if (variance <= 0) return {};
  const double sd = std::sqrt(variance);
  return {normal_below((seen - mean + half_step) / sd),
          normal_below(-(seen - mean - half_step) / sd)};
}

// Twice the rank of every value, equal ones sharing their mean rank: whole numbers.
std::vector<std::size_t> double_ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<std::size_t> ranks(values.size());
  for (std::size_t first = 0, end = 0; first < order.size(); first = end) {
    for (end = first; end < order.size() && values[order[end]] == values[order[first]];) ++end;
    for (std::size_t i = first; i < end; ++i) ranks[order[i]] = first + 1 + end;
  }
  return ranks;
}

// The shares of `ways` at most and at least at `seen`.
Tails tails_at(const std::vector<double>& ways, std::size_t seen) {
  const auto at = ways.begin() + static_cast<std::ptrdiff_t>(seen);
  const double below = std::accumulate(ways.begin(), at, 0.0);
  const double above = std::accumulate(at + 1, ways.end(), 0.0);
  const double all = below + *at + above;
  return {(below + *at) / all, (above + *at) / all};
}

// In how many ways `chosen` of the ranks have each sum. Doubles hold these counts exactly up to
// 2^53, which kMostExactRuns keeps them under.
std::vector<double> ways_to_sum(const std::vector<std::size_t>& ranks, std::size_t chosen) {
  const std::size_t most = std::accumulate(ranks.begin(), ranks.end(), std::size_t{0});
  std::vector<std::vector<double>> ways(chosen + 1, std::vector<double>(most + 1));
  ways[0][0] = 1;
  for (const std::size_t rank : ranks)
    for (std::size_t size = chosen; size > 0; --size)
      for (std::size_t sum = most; sum + 1 > rank; --sum)
        ways[size][sum] += ways[size - 1][sum - rank];
  return ways[chosen];
}

// Rounds up, and keeps what no machine would run within a number that can be printed.
std::size_t whole_runs(double count, std::size_t fewest) {
  if (!(count < static_cast<double>(kMostRuns))) return kMostRuns;
  return std::max(fewest, static_cast<std::size_t>(std::ceil(count)));
}

// ((z_confidence + z_power) · noise / difference)² over the test's efficiency against a t test.
double ideal_count(double difference, double noise, double confidence) {
  const double z = normal_quantile((1 + confidence) / 2) + normal_quantile(kPower);
  const double ratio = z * noise / difference;
  return ratio * ratio * std::numbers::pi / 3;
}

}  // namespace

double median(Runs values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double sample_deviation(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / (count - 1));
}

std::uint64_t Random::next() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

std::size_t Random::below(std::size_t end) {
  // The upper 32 bits, scaled: the bias is end / 2^32, far below what a resample could show.
  return static_cast<std::size_t>(((next() >> 32U) * end) >> 32U);
}

Interval bootstrap_difference(const Runs& base, const Runs& fresh, double confidence,
                              std::uint64_t seed) {
  Random random{seed};
  const auto resampled = [&](const Runs& from) {
    Runs drawn(from.size());
    for (double& value : drawn) value = from[random.below(from.size())];
    return median(std::move(drawn));
  };
  Runs differences(kResamples);
  for (double& d : differences) {
    const double b = resampled(base);
    d = resampled(fresh) - b;
  }
  std::sort(differences.begin(), differences.end());
  const auto cut = static_cast<std::size_t>((1 - confidence) / 2 * static_cast<double>(kResamples));
  return {differences[cut], differences[kResamples - 1 - cut]};
}

Tails rank_sum_tails(const Runs& base, const Runs& fresh) {
  if (base.empty() || fresh.empty()) return {};
  Runs all = fresh;
  all.insert(all.end(), base.begin(), base.end());
  const std::vector<std::size_t> ranks = double_ranks(all);
  const auto end = ranks.begin() + static_cast<std::ptrdiff_t>(fresh.size());
  const std::size_t seen = std::accumulate(ranks.begin(), end, std::size_t{0});
  if (all.size() <= kMostExactRuns) return tails_at(ways_to_sum(ranks, fresh.size()), seen);
  const auto count = static_cast<double>(all.size()), n = static_cast<double>(fresh.size());
  const double mean = (count + 1) / 2;  // of a rank
  double squares = 0;                   // the ties are in the ranks: no correction term is left out
  for (const std::size_t rank : ranks) {
    const double away = static_cast<double>(rank) / 2 - mean;
    squares += away * away;
  }
  const double variance = n * (count - n) / (count * (count - 1)) * squares;
  return normal_tails(static_cast<double>(seen) / 2, n * mean, variance, 0.5);
}

Tails signed_rank_tails(const Runs& differences) {
  Runs sizes;
  for (const double d : differences) sizes.push_back(std::abs(d));
  const std::vector<std::size_t> all_ranks = double_ranks(sizes);
  std::vector<std::size_t> ranks;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < differences.size(); ++i) {
    if (differences[i] == 0) continue;
    ranks.push_back(all_ranks[i]);
    if (differences[i] > 0) seen += all_ranks[i];
  }
  if (ranks.empty()) return {};
  if (ranks.size() <= kMostExactRuns) {
    const std::size_t most = std::accumulate(ranks.begin(), ranks.end(), std::size_t{0});
    std::vector<double> ways(most + 1);
    ways[0] = 1;
    for (const std::size_t rank : ranks)
      for (std::size_t sum = most; sum + 1 > rank; --sum) ways[sum] += ways[sum - rank];
    return tails_at(ways, seen);
  }
  double sum = 0, squares = 0;
  for (const std::size_t rank : ranks) {
    const double r = static_cast<double>(rank) / 2;
    sum += r;
    squares += r * r;
  }
  return normal_tails(static_cast<double>(seen) / 2, sum / 2, squares / 4, 0.5);
}

double two_sided(const Tails& tails) { return std::min(1.0, 2 * std::min(tails.low, tails.high)); }

double cliffs_delta(const Runs& base, const Runs& fresh) {
  std::int64_t balance = 0;
  for (const double b : base)
    for (const double f : fresh) balance += (f > b ? 1 : 0) - (f < b ? 1 : 0);
  return static_cast<double>(balance) / static_cast<double>(base.size() * fresh.size());
}

double shift(const Runs& base, const Runs& fresh) {
  Runs differences;
  for (const double b : base)
    for (const double f : fresh) differences.push_back(f - b);
  return median(std::move(differences));
}

std::size_t fewest_runs(double confidence) {
  double ways = 2;  // to draw n of 2n
  std::size_t n = 1;
  for (; ways * (1 - confidence) / 2 <= 1 && n < kMostRuns; ++n)
    ways *= 2 * (2 * static_cast<double>(n) + 1) / static_cast<double>(n + 1);
  return n;
}

std::size_t fewest_pairs(double confidence) {
  double ways = 2;  // signs of n differences
  std::size_t n = 1;
  for (; ways * (1 - confidence) / 2 <= 1 && n < kMostRuns; ++n) ways *= 2;
  return n;
}

std::size_t runs_needed(double difference, double noise, double confidence) {
  return whole_runs(2 * ideal_count(difference, noise, confidence) + kMoreRuns,
                    fewest_runs(confidence));
}

std::size_t pairs_needed(double difference, double noise, double confidence) {
  return whole_runs(ideal_count(difference, noise, confidence) + kMorePairs,
                    fewest_pairs(confidence));
}

}  // namespace tl
