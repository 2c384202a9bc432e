#include "analysis/distribution.hh"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

namespace tl::analysis_distribution_test {
namespace {

std::int64_t true_percentile(std::vector<std::int64_t> values, std::uint32_t per_mille) {
  std::sort(values.begin(), values.end());
  return values[(values.size() * per_mille + 999) / 1000 - 1];
}

}  // namespace

TEST_CASE("percentiles of few values are exact") {
  Distribution d;
  for (const std::int64_t value : {50, 10, 40, 30, 20}) d.add(value);
  CHECK(d.is_exact());
  CHECK(d.percentile_ns(500) == 30);
  CHECK(d.percentile_ns(1) == 10);
  CHECK(d.percentile_ns(1000) == 50);
  CHECK(d.mean_ns() == 30);
}

TEST_CASE("percentiles of many values are within 1/64, and the ends are exact") {
  std::mt19937_64 random{1};
  for (const int octaves : {4, 20, 40, 62}) {
    Distribution d;
    std::vector<std::int64_t> values;
    for (int i = 0; i < 5000; ++i) {
      const auto value = static_cast<std::int64_t>(
          random() >> 1 >> (random() % 60) % static_cast<unsigned>(octaves));
      values.push_back(value);
      d.add(value);
    }
    CHECK(!d.is_exact());
    CHECK(d.minimum_ns() == *std::min_element(values.begin(), values.end()));
    CHECK(d.maximum_ns() == *std::max_element(values.begin(), values.end()));
    for (const std::uint32_t per_mille : {1U, 100U, 500U, 900U, 950U, 990U, 999U, 1000U}) {
      const auto truth = static_cast<double>(true_percentile(values, per_mille));
      const auto told = static_cast<double>(d.percentile_ns(per_mille));
      CHECK(told >= truth * (1 - 1.0 / 64) - 1);
      CHECK(told <= truth * (1 + 1.0 / 64) + 1);
    }
  }
}

TEST_CASE("bins cover every value once, in order, and merging equals adding") {
  std::mt19937_64 random{2};
  Distribution whole, left, right, few;
  for (int i = 0; i < 1000; ++i) {
    const auto value = static_cast<std::int64_t>(random() % 100'000'000);
    whole.add(value);
    (i < 30 ? few : i % 2 == 0 ? left : right).add(value);
  }
  for (const Distribution* part : {&right, &few}) left.add(*part);
  const auto bins = whole.bins(), merged = left.bins();
  REQUIRE(bins.size() == merged.size());
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < bins.size(); ++i) {
    count += bins[i].count;
    CHECK(bins[i].low_ns < bins[i].high_ns);
    if (i > 0) CHECK(bins[i - 1].high_ns <= bins[i].low_ns);
    CHECK(bins[i].count == merged[i].count);
    CHECK(bins[i].low_ns == merged[i].low_ns);
  }
  CHECK(count == 1000);
  CHECK(left.count() == 1000);
  CHECK(left.mean_ns() == whole.mean_ns());
  CHECK(left.percentile_ns(990) == whole.percentile_ns(990));
}

TEST_CASE("a value lies in its bin, at every power of two and beside it") {
  for (int bit = 0; bit < 63; ++bit)
    for (const std::int64_t delta : {-1, 0, 1}) {
      const std::int64_t value = (std::int64_t{1} << bit) + delta;
      Distribution d;
      d.add(value);
      const auto bins = d.bins();
      REQUIRE(bins.size() == 1);
      CHECK(bins[0].low_ns <= value);
      CHECK((value < bins[0].high_ns || bins[0].high_ns == INT64_MAX));
      CHECK((bins[0].high_ns - bins[0].low_ns <= std::max<std::int64_t>(1, bins[0].low_ns / 32)));
    }
}
}  // namespace tl::analysis_distribution_test
