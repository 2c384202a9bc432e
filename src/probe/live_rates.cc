#include "probe/live_rates.hh"

namespace tl {

using nlohmann::json;

CounterValues sum_of_point(const CounterPoint& point, const std::vector<CounterValues>& values) {
  CounterValues sum;
  for (std::size_t i = 0; i < point.series.size(); ++i)
    if (point.devices_before[i].name != "lo" && point.series[i] < values.size())
      sum += values[point.series[i]];
  return sum;
}

void LiveRates::add(const Bucket& bucket) {
  // A gap (an overrun) restarts the window: its buckets are counted from the first.
  if (!buckets_.empty() && buckets_.back().epoch + 1 != bucket.epoch) buckets_.clear();
  buckets_.push_back(bucket);
  if (buckets_.size() > kMostBuckets) buckets_.pop_front();
}

json LiveRates::window() const {
  if (buckets_.empty()) return nullptr;
  json services = json::object();
  for (const CounterPoint& point : points_) {
    json rx = json::array(), tx = json::array();
    for (const Bucket& bucket : buckets_) {
      const CounterValues sum = sum_of_point(point, bucket.series);
      rx.push_back(sum.rx_bytes);
      tx.push_back(sum.tx_bytes);
    }
    services[point.service] = {{"rx_bytes", rx}, {"tx_bytes", tx}};
  }
  return {{"first", buckets_.front().epoch}, {"services", services}};
}

}  // namespace tl
