// What went past the counters, told by the devices themselves: for a measurement of its own, which
// begins and ends while packets flow.
#pragma once

#include <string>
#include <vector>

#include "probe/counter_points.hh"

namespace tl {

struct CounterGap {
  std::string text;         // "left eth0: …", one line
  bool is_missing = false;  // packets are missing in the counts; else only worth knowing
};

// The devices of all points, in their order.
using DeviceReading = std::vector<std::vector<Link>>;
DeviceReading read_devices(const std::vector<CounterPoint>& points);

// Readings from before and after the gate opened, and from before it closed.
struct DeviceReadings {
  DeviceReading before_open, after_open, before_close;
};

// A packet is counted before the driver puts it into its statistics, so these can only lag behind:
// when they grew by more than what was counted, something went around the counters. A device that
// sent while the gate opened is given the packets that a driver's queue can hold. What is received
// cannot be told this way: a veth device's statistics run ahead of its receiver.
std::vector<CounterGap> find_gaps(const std::vector<CounterPoint>& points,
                                  const DeviceReadings& readings, const CounterKernel& kernel,
                                  const std::vector<CounterValues>& totals);

}  // namespace tl
