// The latest buckets of a run in progress, per service, for whoever watches it. What the run keeps
// are the counter files; this is a window that may have gaps for a watcher who looks too seldom.
#pragma once

#include <deque>
#include <nlohmann/json.hpp>
#include <vector>

#include "probe/bucket_reader.hh"
#include "probe/counter_points.hh"

namespace tl {

class LiveRates {
 public:
  // Of the devices of `points` but loopback; `points` must outlive this object.
  explicit LiveRates(const std::vector<CounterPoint>& points) : points_{points} {}

  void add(const Bucket& bucket);
  // {"first": epoch of the oldest bucket, "services": {NAME: {"rx_bytes": [bytes a bucket, oldest
  // first], "tx_bytes": […]}}}; the last kMostBuckets.
  [[nodiscard]] nlohmann::json window() const;

 private:
  // Twice what passes between two messages at 10 ms, so that every second message may be missed.
  static constexpr std::size_t kMostBuckets = 64;
  const std::vector<CounterPoint>& points_;
  std::deque<Bucket> buckets_;
};

// The sum over a point's devices but loopback; `values` by series.
CounterValues sum_of_point(const CounterPoint& point, const std::vector<CounterValues>& values);

}  // namespace tl
