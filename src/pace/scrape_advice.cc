#include "pace/scrape_advice.hh"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace tl::pace {
namespace {
constexpr std::uint64_t kFewestSamples = 8;
}

std::chrono::milliseconds longest_scrape_interval(std::chrono::milliseconds lookback) {
  return std::min(std::chrono::milliseconds{120'000}, lookback * 2 / 5);
}

void JobEvidence::add(const SeriesSamples& samples) {
  Counts& counts = series_[samples.series];
  for (const Sample& sample : samples.samples) {
    const double value = std::strtod(sample.value.c_str(), nullptr);
    if (counts.has_value) {
      const double scale = std::max(std::abs(value), std::abs(counts.value));
      ++counts.samples;
      // Not >: what is not a number has moved when it was one before.
      const bool is_still = value == counts.value ||
                            (std::isnan(value) && std::isnan(counts.value)) ||
                            std::abs(value - counts.value) <= scale * limits_.move_percent / 100;
      counts.moves += is_still ? 0 : 1;
    }
    counts.value = value;
    counts.has_value = true;
  }
}

std::optional<std::chrono::milliseconds> JobEvidence::advice(
    std::chrono::milliseconds current) const {
  bool all_known = !series_.empty(), some_move = false;
  for (const auto& [name, counts] : series_) {
    some_move = some_move || counts.moves > 0;
    all_known = all_known && counts.samples >= kFewestSamples;
    if (counts.samples < kFewestSamples || 2 * counts.moves <= counts.samples) continue;
    const auto half = std::max(current / 2, limits_.shortest);
    return half < current ? std::optional{half} : std::nullopt;
  }
  const auto twice = std::min(2 * current, limits_.longest);
  return all_known && !some_move && twice > current ? std::optional{twice} : std::nullopt;
}

void JobEvidence::start_again() {
  for (auto& [name, counts] : series_) counts.samples = counts.moves = 0;
}

std::string job_of_series(const std::string& series) {
  for (const char* begin : {"{job=\"", ",job=\""}) {
    const std::size_t at = series.find(begin);
    if (at == std::string::npos) continue;
    const std::size_t from = at + 6;
    return series.substr(from, series.find('"', from) - from);
  }
  return "";
}

}  // namespace tl::pace
