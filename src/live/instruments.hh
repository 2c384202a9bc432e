// The instruments a program updates. All are safe to use from several threads at once; a snapshot
// of one instrument is consistent in itself (a histogram's count equals its last bucket).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "live/metric.hh"

namespace tl::live {

// Only goes up. Whole and fractional amounts are kept apart, so that a count of packets is exact up
// to 2^64-1 and not only to 2^53.
class Counter {
 public:
  Counter();
  void inc(std::uint64_t amount = 1) noexcept { whole_ += amount; }
  // Throws UsageError when `amount` is negative or not finite.
  void inc_real(double amount);
  void inc(std::uint64_t amount, Exemplar exemplar);
  [[nodiscard]] Point collect() const;

 private:
  std::atomic<std::uint64_t> whole_{0};
  std::atomic<double> real_{0};
  std::int64_t created_ns_;
  mutable std::mutex mutex_;  // guards exemplar_
  std::optional<Exemplar> exemplar_;
};

class Gauge {
 public:
  void set(double value) noexcept { value_ = value; }
  void add(double amount) noexcept;
  void set_to_current_time() noexcept;
  [[nodiscard]] Point collect() const;

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  // Upper bounds, inclusive, rising; +Inf is added. Throws UsageError when they do not rise.
  explicit Histogram(std::vector<double> upper_bounds);
  void observe(double value, std::optional<Exemplar> exemplar = std::nullopt);
  [[nodiscard]] Point collect() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Bucket> buckets_;  // counts not cumulative in here
  double sum_ = 0;
  std::int64_t created_ns_;
};

// Count and sum of everything, exact quantiles of the latest observations (nearest rank). A window
// of observations instead of an approximating sketch: its error is none, and its rule is one line.
class Summary {
 public:
  // Throws UsageError when a quantile is outside [0, 1] or the window is empty.
  explicit Summary(std::vector<double> quantiles, std::size_t window = 1024);
  void observe(double value);
  [[nodiscard]] Point collect() const;

 private:
  std::vector<double> quantiles_;
  std::size_t window_;
  mutable std::mutex mutex_;
  std::deque<double> latest_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
  std::int64_t created_ns_;
};

// Facts about the target, as labels of one point with value 1.
class Info {
 public:
  void set(Labels facts);
  [[nodiscard]] Point collect() const;

 private:
  mutable std::mutex mutex_;
  Labels facts_;
};

// One of several states is true ("Enum" in other client libraries).
class StateSet {
 public:
  // The first state is the initial one. Throws UsageError for an empty list.
  explicit StateSet(std::vector<std::string> states);
  // Throws UsageError naming the known states.
  void set(const std::string& state);
  [[nodiscard]] Point collect() const;

 private:
  std::vector<std::string> states_;
  std::atomic<std::size_t> current_{0};
};

}  // namespace tl::live
