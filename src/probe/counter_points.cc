#include "probe/counter_points.hh"

#include <fmt/format.h>
#include <net/if_arp.h>
#include <poll.h>

#include <algorithm>
#include <map>

#include "probe/tcx.hh"

namespace tl {
namespace {

using nlohmann::json;

json statistics_json(const LinkStatistics& s) {
  return {{"rx_bytes", s.rx_bytes},
          {"rx_packets", s.rx_packets},
          {"tx_bytes", s.tx_bytes},
          {"tx_packets", s.tx_packets},
          {"rx_dropped", s.rx_dropped},
          {"tx_dropped", s.tx_dropped},
          {"rx_errors", s.rx_errors},
          {"tx_errors", s.tx_errors},
          {"rx_missed_errors", s.rx_missed_errors},
          {"rx_nohandler", s.rx_nohandler}};
}

const char* text_of(CountedAt place) {
  return place == CountedAt::tcx ? "tcx" : place == CountedAt::tap ? "tap" : "trace events";
}

json refused_json(const CounterValues& refused) {
  return {{"tx_bytes", refused.tx_bytes}, {"tx_packets", refused.tx_packets}};
}

json refused_json(const LinkStatistics& before, const LinkStatistics& after) {
  return {{"tx_bytes", nullptr}, {"tx_packets", after.tx_dropped - before.tx_dropped}};
}

// The device as it was at the end; one that has gone keeps what was read of it first, so that the
// difference shows.
const Link& after_of(const CounterPoint& point, const Link& before) {
  const Link* after = find_link(point.devices_after, before.ifindex);
  return after == nullptr ? before : *after;
}

}  // namespace

CounterPoint open_point(std::string service, NetNs netns) {
  UniqueFd rtnetlink = netns.run([] { return open_rtnetlink(); });
  CounterPoint point{std::move(service), std::move(netns), std::move(rtnetlink), {}, {}, {}, {}};
  point.devices_before = point.devices_after = point.read_devices();
  return point;
}

void name_devices(CounterPoint& point, CounterKernel& kernel, LoopbackPorts loopback) {
  const std::uint64_t inode = point.netns.inode();
  const std::vector<Link> now = point.read_devices();  // who was shaped meanwhile has a queue
  for (const Link& link : point.devices_before) {
    const Link* found = find_link(now, link.ifindex);
    const bool hands_on = found != nullptr && sends_what_tcx_sees(point.rtnetlink, *found);
    const NamedDevice named = point.netns.run([&] {
      const bool counts_ports = link.type != ARPHRD_LOOPBACK || loopback == LoopbackPorts::counted;
      return kernel.name_device(
          {device_key(inode, link.ifindex), link.type, counts_ports, hands_on});
    });
    point.series.push_back(named.series);
    point.counted_at.push_back(named.counted_at);
  }
}

std::vector<LinkStatistics> statistics_of(const std::vector<CounterPoint>& points) {
  std::vector<LinkStatistics> all;
  for (const CounterPoint& point : points)
    for (const Link& link : point.read_devices()) all.push_back(link.statistics);
  return all;
}

std::vector<LinkStatistics> recorded_statistics(const std::vector<CounterPoint>& points) {
  std::vector<LinkStatistics> all;
  for (const CounterPoint& point : points)
    for (const Link& link : point.devices_before) all.push_back(link.statistics);
  return all;
}

std::vector<LinkStatistics> final_statistics(const std::vector<CounterPoint>& points) {
  std::vector<LinkStatistics> all;
  for (const CounterPoint& point : points)
    for (const Link& link : point.devices_after) all.push_back(link.statistics);
  return all;
}

std::vector<LinkStatistics> wait_quiet(const std::vector<CounterPoint>& points,
                                       std::chrono::milliseconds quiet,
                                       std::chrono::milliseconds limit) {
  const Deadline deadline{limit};
  for (auto before = statistics_of(points);;) {
    ::poll(nullptr, 0, static_cast<int>(quiet.count()));
    auto now = statistics_of(points);
    if (now == before || deadline.passed()) return now;
    before = std::move(now);
  }
}

std::vector<CounterValues> counted_at(const std::vector<CounterPoint>& points,
                                      const std::vector<CounterValues>& totals) {
  std::vector<CounterValues> counted;
  for (const CounterPoint& point : points)
    for (const std::uint32_t series : point.series) counted.push_back(totals.at(series));
  return counted;
}

bool grew_alike(const std::vector<LinkStatistics>& before, const std::vector<LinkStatistics>& after,
                const std::vector<CounterValues>& counted_before,
                const std::vector<CounterValues>& counted_after) {
  const std::size_t devices = before.size();
  if (after.size() != devices || counted_before.size() != devices ||
      counted_after.size() != devices)
    return false;  // a device came or went
  for (std::size_t i = 0; i < devices; ++i) {
    LinkStatistics expected = before[i];
    expected.rx_bytes += counted_after[i].rx_bytes - counted_before[i].rx_bytes;
    expected.rx_packets += counted_after[i].rx_packets - counted_before[i].rx_packets;
    expected.tx_bytes += counted_after[i].tx_bytes - counted_before[i].tx_bytes;
    expected.tx_packets += counted_after[i].tx_packets - counted_before[i].tx_packets;
    if (after[i] != expected) return false;
  }
  return true;
}

bool statistics_tell_refused(const std::vector<CounterPoint>& points) {
  for (const CounterPoint& point : points)
    for (std::size_t i = 0; i < point.devices_before.size(); ++i)
      if (point.devices_before[i].type != ARPHRD_LOOPBACK && point.counted_at[i] != CountedAt::tcx)
        return false;
  return true;
}

SeriesNames series_names(const std::vector<CounterPoint>& points, const CounterKernel& kernel) {
  SeriesNames names;
  names.ports = kernel.layout().ports;
  names.device_series = kernel.layout().device_series;
  names.devices.push_back({"", "other", "other", false});
  // A series that no device has yet, or never will (bpf/counters.bpf.c), has no name.
  const auto devices = kernel.devices();
  std::size_t end = devices.size();
  while (end > 1 && devices[end - 1].known == 0) --end;
  std::map<std::string, int> used;
  for (std::size_t i = 1; i < end; ++i) {
    DeviceName name;
    if (devices[i].known != 0) {
      name = {"", std::to_string(devices[i].key.netns_inode),
              fmt::format("if{}", devices[i].key.ifindex), devices[i].type == ARPHRD_LOOPBACK};
      // The kernel gives the number of a dead namespace to another one: that is another series.
      const int before = used[name.netns + "," + name.device]++;
      if (before != 0) name.netns += fmt::format("#{}", before + 1);
    }
    names.devices.push_back(std::move(name));
  }
  for (const CounterPoint& point : points)
    for (std::size_t i = 0; i < point.series.size(); ++i) {
      if (point.series[i] == TL_SERIES_OTHER) continue;
      DeviceName& name = names.devices.at(point.series[i]);
      name = {point.service, point.service.empty() ? name.netns : point.service,
              point.devices_before[i].name, point.devices_before[i].type == ARPHRD_LOOPBACK};
    }
  return names;
}

json describe_points(const std::vector<CounterPoint>& points,
                     const std::vector<CounterValues>& totals,
                     const std::vector<CounterValues>& failed) {
  json described = json::array();
  for (const CounterPoint& point : points) {
    json devices = json::array();
    for (std::size_t i = 0; i < point.devices_before.size(); ++i) {
      const Link& link = point.devices_before[i];
      const CounterValues& counted = totals.at(point.series.at(i));
      const LinkStatistics& after = after_of(point, link).statistics;
      devices.push_back(
          {{"name", link.name},
           {"ifindex", link.ifindex},
           {"kind", link.kind},
           {"mtu", link.mtu},
           {"qdisc", link.qdisc},
           {"has_xdp", after_of(point, link).has_xdp},
           {"counted_at", text_of(point.counted_at.at(i))},
           {"statistics_before", statistics_json(link.statistics)},
           {"statistics_after", statistics_json(after)},
           {"counted",
            {{"rx_bytes", counted.rx_bytes},
             {"rx_packets", counted.rx_packets},
             {"tx_bytes", counted.tx_bytes},
             {"tx_packets", counted.tx_packets}}},
           {"refused", failed.empty() ? refused_json(link.statistics, after)
                                      : refused_json(failed.at(point.series.at(i)))}});
    }
    described.push_back(
        {{"service", point.service}, {"netns_inode", point.netns.inode()}, {"devices", devices}});
  }
  return described;
}

}  // namespace tl
