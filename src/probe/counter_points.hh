// The observation points of a measurement: the namespaces it was told of, their devices, and the
// kernel's own device statistics beside which the counters must come out equal.
#pragma once

#include <string>
#include <vector>

#include "base/netlink.hh"
#include "base/netns.hh"
#include "probe/counter_files.hh"

namespace tl {

struct CounterPoint {
  std::string service;
  NetNs netns;         // held: an inode number in use is not given to another namespace
  UniqueFd rtnetlink;  // bound to it, readable without privileges
  std::vector<Link> devices_before, devices_after;
  std::vector<std::uint32_t> series;  // of devices_before, same order
  std::vector<CountedAt> counted_at;  // the same

  [[nodiscard]] std::vector<Link> read_devices() const { return list_links(rtnetlink); }
};

// A point for a namespace; its devices get series in `kernel`.
CounterPoint open_point(std::string service, NetNs netns);
// `loopback`: whether what a namespace says to itself counts in port series, too. A lab's services
// are asked what they say to each other, everybody else what passes a port.
enum class LoopbackPorts : bool { ignored, counted };
void name_devices(CounterPoint& point, CounterKernel& kernel, LoopbackPorts loopback);

// The statistics of all devices of all points.
std::vector<LinkStatistics> statistics_of(const std::vector<CounterPoint>& points);
// The same as recorded in devices_before.
std::vector<LinkStatistics> recorded_statistics(const std::vector<CounterPoint>& points);
// And in devices_after.
std::vector<LinkStatistics> final_statistics(const std::vector<CounterPoint>& points);
// Waits until they have not changed for `quiet`; gives up after `limit` and returns what they are
// then.
std::vector<LinkStatistics> wait_quiet(const std::vector<CounterPoint>& points,
                                       std::chrono::milliseconds quiet,
                                       std::chrono::milliseconds limit);

// What was counted of each of their devices, given the totals of all series.
std::vector<CounterValues> counted_at(const std::vector<CounterPoint>& points,
                                      const std::vector<CounterValues>& totals);
// Whether the statistics of all devices grew by just what was counted meanwhile.
bool grew_alike(const std::vector<LinkStatistics>& before, const std::vector<LinkStatistics>& after,
                const std::vector<CounterValues>& counted_before,
                const std::vector<CounterValues>& counted_after);

// Whether, of every device that may refuse packets, its own statistics say how many of those that
// were counted it did: at the traffic-control hooks a packet passes once, whatever happens behind
// them, and is in tx_packets or in tx_dropped. At the other places each attempt counts.
bool statistics_tell_refused(const std::vector<CounterPoint>& points);

// Names of all device series: those of the points, and what the kernel side found by itself.
SeriesNames series_names(const std::vector<CounterPoint>& points, const CounterKernel& kernel);

// "points" of counters.json: per device the statistics before and after, and what was counted and
// refused. `failed` is empty where nobody counted that: then the statistics say how many packets it
// was, and tx_bytes is null.
nlohmann::json describe_points(const std::vector<CounterPoint>& points,
                               const std::vector<CounterValues>& totals,
                               const std::vector<CounterValues>& failed);

}  // namespace tl
