#include <array>
#include <memory>

#include "base/errors.hh"
#include "base/netns.hh"
#include "live/collectors.hh"

namespace tl::live {
namespace {

struct Column {
  const char* name;
  const char* help;
  std::uint64_t LinkStatistics::*member;
  bool is_error = false;
};

constexpr std::array kDeviceCounters{
    Column{"receive_packets", "Packets received.", &LinkStatistics::rx_packets},
    Column{"receive_bytes", "Bytes received.", &LinkStatistics::rx_bytes},
    Column{"receive_errors", "Receive errors.", &LinkStatistics::rx_errors, true},
    Column{"receive_drops", "Packets dropped on receive.", &LinkStatistics::rx_dropped, true},
    Column{"transmit_packets", "Packets transmitted.", &LinkStatistics::tx_packets},
    Column{"transmit_bytes", "Bytes transmitted.", &LinkStatistics::tx_bytes},
    Column{"transmit_errors", "Transmit errors.", &LinkStatistics::tx_errors, true},
    Column{"transmit_drops", "Packets dropped on transmit.", &LinkStatistics::tx_dropped, true},
};

constexpr std::array kUserGauges{
    Column{"packets_sent", "Packets sent on the interface.", &LinkStatistics::tx_packets},
    Column{"packets_recv", "Packets received on the interface.", &LinkStatistics::rx_packets},
};

Family empty_family(const std::string& prefix, const Column& column, Type type) {
  return {prefix + column.name, column.help, type, "", {}};
}

}  // namespace

Registry::Collector device_collector() {
  // The socket belongs to the namespace in which it was opened, whichever thread reads it.
  return [socket = std::make_shared<UniqueFd>(open_rtnetlink())] {
    const std::vector<Link> links = list_links(*socket);
    std::vector<Family> families;
    for (const Column& column : kUserGauges) {
      Family& family = families.emplace_back(empty_family("", column, Type::gauge));
      for (const Link& link : links)
        family.points.push_back(
            number_point({{"ifname", link.name}}, link.statistics.*column.member));
    }
    for (const Column& column : kDeviceCounters) {
      Family& family =
          families.emplace_back(empty_family("trafficlab_network_", column, Type::counter));
      for (const Link& link : links)
        family.points.push_back(
            number_point({{"device", link.name}}, link.statistics.*column.member));
    }
    return families;
  };
}

Registry::Collector container_collector(ContainerSource source) {
  return [source = std::move(source)] {
    const std::vector<ContainerTraffic> rows = source();
    std::vector<Family> families;
    for (const Column& column : kDeviceCounters) {
      Family& family =
          families.emplace_back(empty_family("trafficlab_container_", column, Type::counter));
      for (const ContainerTraffic& row : rows)
        if (row.has_errors || !column.is_error)
          family.points.push_back(number_point(
              {{"container", row.container}, {"device", row.device}, {"source", row.source}},
              row.statistics.*column.member));
    }
    return families;
  };
}

ContainerSource joined(std::vector<ContainerSource> sources) {
  return [sources = std::move(sources)] {
    std::vector<ContainerTraffic> rows;
    for (const ContainerSource& source : sources)
      for (ContainerTraffic& row : source()) rows.push_back(std::move(row));
    return rows;
  };
}

ContainerSource namespace_source(const std::vector<NamedNamespace>& namespaces) {
  struct Open {
    std::string container;
    UniqueFd rtnetlink;
  };
  auto open = std::make_shared<std::vector<Open>>();
  for (const NamedNamespace& each : namespaces)
    open->push_back({each.container, NetNs::open(each.path).run([] { return open_rtnetlink(); })});
  return [open] {
    std::vector<ContainerTraffic> rows;
    for (const Open& each : *open)
      for (const Link& link : list_links(each.rtnetlink))
        if (link.name != "lo")
          rows.push_back({each.container, link.name, "netlink", link.statistics, true});
    return rows;
  };
}

}  // namespace tl::live
