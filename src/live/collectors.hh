// Numbers that the kernel keeps, read at each scrape: network devices and this process.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analysis/rtt.hh"
#include "base/netlink.hh"
#include "live/registry.hh"
#include "probe/packet_ring.hh"

namespace tl::live {

// packets_sent{ifname} and packets_recv{ifname} (gauges, as the users know them) and
// trafficlab_network_{receive,transmit}_{packets,bytes,errors,drops}_total{device}, of the network
// namespace of the calling thread.
Registry::Collector device_collector();

// The traffic of one container or service, from whoever can see it.
struct ContainerTraffic {
  std::string container;
  std::string device;
  std::string source;  // "netlink" (device statistics) or "ebpf" (in-kernel counters)
  LinkStatistics statistics;
  bool has_errors = true;  // whether errors and drops of `statistics` were measured
};
// Called in the scrape: must be quick. Leaves out what is gone.
using ContainerSource = std::function<std::vector<ContainerTraffic>()>;
// The rows of several sources, one after the other.
ContainerSource joined(std::vector<ContainerSource> sources);
// trafficlab_container_{receive,transmit}_{packets,bytes,errors,drops}_total{container,device,
// source}; errors and drops only where they were measured.
Registry::Collector container_collector(ContainerSource source);

struct NamedNamespace {
  std::string container;
  std::string path;  // /proc/PID/ns/net or /run/netns/NAME
};
// Device statistics of other network namespaces. Each is entered once, here, to open a socket that
// stays bound to it; throws MachineError when one cannot be entered.
ContainerSource namespace_source(const std::vector<NamedNamespace>& namespaces);

// trafficlab_rtt_segments_total and trafficlab_rtt_unused_segments_total{reason} of `table`, which
// must outlive the collector; with `statistics` also trafficlab_rtt_packets_total and
// trafficlab_rtt_dropped_packets_total. For the thread that feeds the table.
Registry::Collector rtt_collector(const RttTable& table,
                                  std::function<RingStatistics()> statistics);

// process_{cpu_seconds_total, resident_memory_bytes, virtual_memory_bytes, open_fds, max_fds,
// start_time_seconds}, the conventional names of every client library, and
// current_memory_usage_locally{server_name}, the users' name for the resident memory in bytes.
Registry::Collector process_collector();

}  // namespace tl::live
