// The counters inside this process: what was counted, by device, and what the product's own sums
// make of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/netlink.hh"
#include "base/netns.hh"
#include "probe/counter_points.hh"
#include "probe/counter_session.hh"

namespace tl::test {

struct Counted {
  std::map<std::string, CounterValues> devices;     // "NAMESPACE,DEVICE"
  std::map<std::string, CounterValues> containers;  // all devices of it but lo
  CounterValues total;                              // all devices of all namespaces
  std::map<std::string, CounterValues> ports;       // "PORT,SIDE"
  std::map<std::string, CounterValues> failed;      // as devices: not taken by the driver
  std::vector<Bucket> buckets;
  nlohmann::json points;  // of counters.json
};

class Counting {
 public:
  using Points = std::vector<std::pair<std::string, const NetNs*>>;
  // Counts the devices that `points` have now, from now on. Nothing else, unless the layout says.
  explicit Counting(const Points& points, CounterLayout layout = only_points());
  static CounterLayout only_points();

  // Call at least every two seconds, of buckets under 1 ms more often.
  void drain();
  // Ends counting. Fails the test when an event was missed, when the buckets do not add up to the
  // cumulative counts, or when one of them was late.
  Counted finish();

  // Each bucket is read again a quarter of a ring later, unless this process had no time before its
  // memory was used again: how many were, and how many of them were not what had been handed on.
  [[nodiscard]] std::uint64_t read_again() const { return read_again_; }
  [[nodiscard]] std::uint64_t late() const { return late_; }

  [[nodiscard]] CounterSession& session() { return session_; }
  [[nodiscard]] const std::vector<CounterPoint>& points() const { return points_; }
  // Of a device that was there at the beginning.
  [[nodiscard]] std::uint32_t series(const std::string& netns, const std::string& device) const;

 private:
  void read_again_through(std::uint64_t last_epoch);

  std::vector<CounterPoint> points_;
  CounterSession session_;
  std::vector<Bucket> buckets_;
  std::optional<BucketReader> second_reader_;
  std::size_t next_again_ = 0;  // of buckets_
  std::uint64_t read_again_ = 0, late_ = 0;
};

// Datagrams of which tests send many: payload, and the frame it makes.
constexpr std::uint32_t kPayload = 100;
constexpr std::uint64_t kFrame = 14 + 20 + 8 + kPayload;
// So many frames into and out of a device, to which no offload applies.
CounterValues frames(std::uint64_t rx, std::uint64_t tx, std::uint64_t frame_bytes = kFrame);

// The kernel's own statistics of a device; fails the test when it is not there.
LinkStatistics statistics(const NetNs& netns, const std::string& device);
// Checks that a device that was quiet before says the same.
void check_statistics(const NetNs& netns, const std::string& device, const CounterValues& counted);

}  // namespace tl::test
