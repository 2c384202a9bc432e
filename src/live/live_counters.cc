#include "live/live_counters.hh"

#include <net/if_arp.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace tl::live {
namespace {

CounterLayout layout_of(const std::vector<CounterPoint>& points, std::vector<std::uint16_t> ports) {
  CounterLayout layout;
  layout.interval_ns = 1'000'000'000;  // nobody reads buckets here, only the sums
  layout.ports = std::move(ports);
  layout.count_unknown = false;
  layout.device_series = 1;
  for (const CounterPoint& point : points)
    layout.device_series += static_cast<std::uint32_t>(point.devices_before.size());
  return layout;
}

std::vector<CounterPoint> open_points(std::vector<CountedNamespace> namespaces) {
  std::vector<CounterPoint> points;
  for (CountedNamespace& each : namespaces)
    if (std::none_of(points.begin(), points.end(), [&](const CounterPoint& point) {
          return point.netns.inode() == each.netns.inode();
        }))
      points.push_back(open_point(each.container, std::move(each.netns)));
  return points;
}

LinkStatistics statistics_of_counts(const CounterValues& values) {
  LinkStatistics statistics;
  statistics.rx_packets = values.rx_packets;
  statistics.rx_bytes = values.rx_bytes;
  statistics.tx_packets = values.tx_packets;
  statistics.tx_bytes = values.tx_bytes;
  return statistics;
}

struct PortColumn {
  const char* name;
  const char* help;
  std::uint64_t CounterValues::*member;
};
constexpr std::array kPortColumns{
    PortColumn{"trafficlab_port_receive_packets", "Packets received.", &CounterValues::rx_packets},
    PortColumn{"trafficlab_port_receive_bytes", "Bytes received.", &CounterValues::rx_bytes},
    PortColumn{"trafficlab_port_transmit_packets", "Packets sent.", &CounterValues::tx_packets},
    PortColumn{"trafficlab_port_transmit_bytes", "Bytes sent.", &CounterValues::tx_bytes}};

}  // namespace

LiveCounters::LiveCounters(std::vector<CountedNamespace> namespaces,
                           std::vector<std::uint16_t> ports)
    : points_{open_points(std::move(namespaces))},
      session_{std::make_unique<CounterSession>(layout_of(points_, std::move(ports)))} {
  for (CounterPoint& point : points_)
    name_devices(point, session_->kernel(), LoopbackPorts::counted);
  session_->start();
}

ContainerSource LiveCounters::containers() const {
  return [this] {
    const std::vector<CounterValues> totals = session_->totals();
    std::vector<ContainerTraffic> rows;
    for (const CounterPoint& point : points_)
      for (std::size_t i = 0; i < point.series.size(); ++i) {
        const Link& device = point.devices_before[i];
        if (device.type == ARPHRD_LOOPBACK || point.series[i] == TL_SERIES_OTHER) continue;
        rows.push_back({point.service, device.name, "ebpf",
                        statistics_of_counts(totals.at(point.series[i])), false});
      }
    return rows;
  };
}

std::vector<Family> LiveCounters::port_families() const {
  const CounterLayout& layout = session_->kernel().layout();
  const std::vector<CounterValues> totals = session_->totals();
  std::vector<Family> families;
  for (const PortColumn& column : kPortColumns) {
    Family& family = families.emplace_back(Family{column.name, column.help, Type::counter, "", {}});
    for (std::size_t i = 0; i < layout.ports.size() * TL_PORT_SIDES; ++i)
      family.points.push_back(
          number_point({{"port", std::to_string(layout.ports[i / TL_PORT_SIDES])},
                        {"side", i % TL_PORT_SIDES == 0 ? "local" : "remote"}},
                       totals.at(layout.device_series + i).*column.member));
  }
  return families;
}

Family LiveCounters::uncounted() const {
  Family family{"trafficlab_uncounted_packets",
                "Packets that the in-kernel counters could not count.",
                Type::counter,
                "",
                {}};
  const nlohmann::json losses = session_->account().at("losses");
  for (const char* reason : {"recursion_misses", "without_block"})
    for (const auto& [hook, number] : losses.at(reason).items())
      if (number.is_number())  // a kernel that does not say is no 0
        family.points.push_back(
            number_point({{"hook", hook}, {"reason", reason}}, number.get<std::uint64_t>()));
  return family;
}

Registry::Collector LiveCounters::collector() const {
  return [this] {
    std::vector<Family> families = port_families();
    families.push_back(uncounted());
    return families;
  };
}

}  // namespace tl::live
