// The in-kernel counters (docs/counters.md) for whoever scrapes: cumulative counts of named network
// namespaces and of ports, read from memory shared with the kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/netns.hh"
#include "live/collectors.hh"
#include "probe/counter_points.hh"
#include "probe/counter_session.hh"

namespace tl::live {

struct CountedNamespace {
  std::string container;
  NetNs netns;
};

class LiveCounters {
 public:
  // Counts the devices that the namespaces have now, from now on; a namespace that stands several
  // times, under its first name. Throws MachineError when the counters cannot be attached.
  LiveCounters(std::vector<CountedNamespace> namespaces, std::vector<std::uint16_t> ports);
  LiveCounters(const LiveCounters&) = delete;
  LiveCounters& operator=(const LiveCounters&) = delete;

  // Counts of each device but loopback, source "ebpf". This object must outlive it.
  [[nodiscard]] ContainerSource containers() const;
  // trafficlab_port_{receive,transmit}_{packets,bytes}_total{port,side} of all these namespaces,
  // and trafficlab_uncounted_packets_total{hook,reason}: 0 while the counts are complete. This
  // object must outlive it.
  [[nodiscard]] Registry::Collector collector() const;

 private:
  [[nodiscard]] std::vector<Family> port_families() const;
  [[nodiscard]] Family uncounted() const;
  std::vector<CounterPoint> points_;
  std::unique_ptr<CounterSession> session_;
};

}  // namespace tl::live
