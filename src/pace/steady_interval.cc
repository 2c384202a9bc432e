#include "pace/steady_interval.hh"

#include <cmath>

namespace tl::pace {
namespace {
constexpr double kMemory = 0.95;  // of the evidence, from poll to poll: about twenty polls count
constexpr double kDeviations = 4;
constexpr double kSlack = 2;  // changes: after few polls the deviation says little
}  // namespace

void SteadyInterval::set(std::int64_t interval_ns) {
  interval_ns_ = interval_ns;
  expected_ = variance_ = observed_ = 0;
}

void SteadyInterval::add(double expected, double variance, double observed) {
  expected_ = expected_ * kMemory + expected;
  variance_ = variance_ * kMemory * kMemory + variance;
  observed_ = observed_ * kMemory + observed;
}

void SteadyInterval::saw(std::int64_t elapsed_ns, std::uint64_t changes) {
  const double mean = static_cast<double>(elapsed_ns) / static_cast<double>(interval_ns_);
  add(mean, mean, static_cast<double>(changes));
}

void SteadyInterval::saw_any(std::int64_t elapsed_ns, bool has_changed) {
  const double mean = static_cast<double>(elapsed_ns) / static_cast<double>(interval_ns_);
  const double probability = 1 - std::exp(-mean);
  add(probability, probability * (1 - probability), has_changed ? 1 : 0);
}

bool SteadyInterval::is_contradicted() const {
  return std::abs(observed_ - expected_) > kDeviations * std::sqrt(variance_) + kSlack;
}

}  // namespace tl::pace
