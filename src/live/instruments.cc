#include "live/instruments.hh"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/clock.hh"
#include "base/errors.hh"

namespace tl::live {

Counter::Counter() : created_ns_{realtime_ns()} {}

void Counter::inc_real(double amount) {
  if (!(amount >= 0) || std::isinf(amount))
    throw UsageError{fmt::format("increase counter by {}: a counter only goes up", amount)};
  real_.fetch_add(amount);
}

void Counter::inc(std::uint64_t amount, Exemplar exemplar) {
  whole_ += amount;
  const std::lock_guard lock{mutex_};
  exemplar_ = std::move(exemplar);
}

Point Counter::collect() const {
  const std::uint64_t whole = whole_;
  const double real = real_;
  const std::lock_guard lock{mutex_};
  const Number value = real == 0 ? Number{whole} : Number{static_cast<double>(whole) + real};
  return {{}, Simple{value, exemplar_}, created_ns_};
}

void Gauge::add(double amount) noexcept { value_.fetch_add(amount); }

void Gauge::set_to_current_time() noexcept { value_ = static_cast<double>(realtime_ns()) / 1e9; }

Point Gauge::collect() const { return {{}, Simple{value_.load(), std::nullopt}, 0}; }

Histogram::Histogram(std::vector<double> upper_bounds) : created_ns_{realtime_ns()} {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (upper_bounds.empty() || upper_bounds.back() != kInfinity) upper_bounds.push_back(kInfinity);
  for (const double bound : upper_bounds) {
    if (std::isnan(bound) || (!buckets_.empty() && bound <= buckets_.back().upper_bound))
      throw UsageError{fmt::format("make histogram: bucket bound {} does not rise", bound)};
    buckets_.push_back({bound, 0, std::nullopt});
  }
}

void Histogram::observe(double value, std::optional<Exemplar> exemplar) {
  const std::lock_guard lock{mutex_};
  const auto found =
      std::lower_bound(buckets_.begin(), buckets_.end(), value,
                       [](const Bucket& bucket, double v) { return bucket.upper_bound < v; });
  // NaN compares with nothing and lands in +Inf, as in the reference libraries.
  Bucket& bucket = std::isnan(value) || found == buckets_.end() ? buckets_.back() : *found;
  ++bucket.cumulative;
  sum_ += value;
  if (exemplar) bucket.exemplar = std::move(exemplar);
}

Point Histogram::collect() const {
  HistogramValue value;
  {
    const std::lock_guard lock{mutex_};
    value = {buckets_, sum_};
  }
  for (std::size_t i = 1; i < value.buckets.size(); ++i)
    value.buckets[i].cumulative += value.buckets[i - 1].cumulative;
  return {{}, std::move(value), created_ns_};
}

Summary::Summary(std::vector<double> quantiles, std::size_t window)
    : quantiles_{std::move(quantiles)}, window_{window}, created_ns_{realtime_ns()} {
  if (window_ == 0) throw UsageError{"make summary: its window is empty"};
  std::sort(quantiles_.begin(), quantiles_.end());
  for (const double q : quantiles_)
    if (!(q >= 0 && q <= 1))
      throw UsageError{fmt::format("make summary: quantile {} not in 0..1", q)};
}

void Summary::observe(double value) {
  const std::lock_guard lock{mutex_};
  ++count_;
  sum_ += value;
  latest_.push_back(value);
  if (latest_.size() > window_) latest_.pop_front();
}

Point Summary::collect() const {
  SummaryValue value;
  std::vector<double> sorted;
  {
    const std::lock_guard lock{mutex_};
    value.count = count_;
    value.sum = sum_;
    sorted.assign(latest_.begin(), latest_.end());
  }
  std::sort(sorted.begin(), sorted.end());
  for (const double q : quantiles_) {
    if (sorted.empty()) {
      value.quantiles.emplace_back(q, std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
    value.quantiles.emplace_back(q, sorted[std::max<std::size_t>(rank, 1) - 1]);
  }
  return {{}, std::move(value), created_ns_};
}

void Info::set(Labels facts) {
  facts = checked_labels(std::move(facts));
  const std::lock_guard lock{mutex_};
  facts_ = std::move(facts);
}

Point Info::collect() const {
  const std::lock_guard lock{mutex_};
  return {facts_, Simple{std::uint64_t{1}, std::nullopt}, 0};
}

StateSet::StateSet(std::vector<std::string> states) : states_{std::move(states)} {
  if (states_.empty()) throw UsageError{"make state set: no states"};
}

void StateSet::set(const std::string& state) {
  const auto found = std::find(states_.begin(), states_.end(), state);
  if (found == states_.end())
    throw UsageError{
        fmt::format("set state '{}': the states are {}", state, fmt::join(states_, ", "))};
  current_ = static_cast<std::size_t>(found - states_.begin());
}

Point StateSet::collect() const {
  StateSetValue value;
  const std::size_t current = current_;
  for (std::size_t i = 0; i < states_.size(); ++i)
    value.states.emplace_back(states_[i], i == current);
  return {{}, std::move(value), 0};
}

}  // namespace tl::live
