// Every variant of the counter programs against arithmetic and the device statistics, on the kernel
// that runs. tests/kernels.sh runs these cases on other kernels, too.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/process.hh"
#include "probe/counter_points.hh"
#include "probe/counter_session.hh"
#include "probe/kernel_abilities.hh"
#include "support/veth_pair.hh"

namespace tl::counter_variants_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kPayloadBytes = 300;
constexpr std::uint64_t kDatagrams = 2000, kSuperPackets = 5, kSegments = 4;
constexpr std::uint64_t kFrameBytes = kHeaderBytes + kPayloadBytes;

// What one device counted, by the sum of its buckets and by the cumulative totals.
struct Counted {
  CounterValues buckets, totals;
  LinkStatistics device;  // what the device itself counted meanwhile
  CountedAt counted_at = CountedAt::trace_events;
};

Counted counted_of(const CounterPoint& point, const std::vector<CounterValues>& buckets,
                   const std::vector<CounterValues>& totals) {
  for (std::size_t i = 0; i < point.devices_before.size(); ++i) {
    if (point.devices_before[i].name != "eth0") continue;
    LinkStatistics grown;
    for (const Link& after : point.read_devices()) {
      if (after.ifindex != point.devices_before[i].ifindex) continue;
      const LinkStatistics& before = point.devices_before[i].statistics;
      grown.rx_packets = after.statistics.rx_packets - before.rx_packets;
      grown.tx_packets = after.statistics.tx_packets - before.tx_packets;
      grown.rx_bytes = after.statistics.rx_bytes - before.rx_bytes;
      grown.tx_bytes = after.statistics.tx_bytes - before.tx_bytes;
    }
    return {buckets.at(point.series[i]), totals.at(point.series[i]), grown, point.counted_at[i]};
  }
  FAIL("no eth0");
  return {};
}

void check_side(const Counted& side, bool sends) {
  const CounterValues& all = side.totals;
  const std::uint64_t packets = kDatagrams + kSuperPackets;
  const std::uint64_t segments = kDatagrams + kSuperPackets * kSegments;
  // A super-packet carries its headers once, on the wire each of its segments does.
  const std::uint64_t bytes =
      kDatagrams * kFrameBytes + kSuperPackets * (kHeaderBytes + kSegments * kPayloadBytes);
  CHECK((sends ? all.tx_packets : all.rx_packets) == packets);
  CHECK((sends ? all.tx_bytes : all.rx_bytes) == bytes);
  CHECK((sends ? all.tx_wire_packets : all.rx_wire_packets) == segments);
  CHECK((sends ? all.tx_wire_bytes : all.rx_wire_bytes) == segments * kFrameBytes);
  CHECK((sends ? all.rx_packets : all.tx_packets) == 0);
  CHECK(side.buckets == all);
  CHECK(side.device.rx_packets == all.rx_packets);
  CHECK(side.device.tx_packets == all.tx_packets);
  CHECK(side.device.rx_bytes == all.rx_bytes);
  CHECK(side.device.tx_bytes == all.tx_bytes);
}

void check_variant(CounterLayout layout, CountedAt where) {
  const VethPair pair;
  layout.ports = {kWantedPort};
  layout.offered = true;
  layout.refused = true;
  layout.count_unknown = false;  // the same port elsewhere on the machine
  std::vector<CounterPoint> points;
  points.push_back(open_point("left", NetNs::open(path_of(pair.left))));
  points.push_back(open_point("right", NetNs::open(path_of(pair.right))));
  CounterSession session{layout};
  for (CounterPoint& point : points) name_devices(point, session.kernel(), LoopbackPorts::ignored);
  session.kernel().count_refused();
  std::vector<CounterValues> buckets(session.kernel().layout().cells());
  session.start();
  {
    UdpSender sender{pair, kWantedPort, kPayloadBytes};
    sender.send(kDatagrams);
    for (std::uint64_t i = 0; i < kSuperPackets; ++i) sender.send_super_packet(kSegments);
    // Before the sink closes: nobody there would be answered with ICMP.
    REQUIRE(wait_quiet(points, 100ms, 10s).size() == 4);
  }
  session.stop([&](const Bucket& bucket) {
    for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += bucket.series.at(i);
  });
  const std::vector<CounterValues> totals = session.totals();
  const Counted left = counted_of(points[0], buckets, totals);
  const Counted right = counted_of(points[1], buckets, totals);
  CHECK(left.counted_at == where);
  CHECK(right.counted_at == where);
  check_side(left, true);
  check_side(right, false);
  const CounterValues& port = totals.at(layout.device_series + 1);  // as the remote side
  CHECK(port.tx_packets == kDatagrams + kSuperPackets);
  const nlohmann::json losses = session.account().at("losses");
  CHECK(losses.at("overruns").empty());
  for (const auto& [hook, misses] : losses.at("recursion_misses").items()) CHECK(misses == 0);
}

}  // namespace

TEST_CASE("T93 the trace event programs count exactly on this kernel") {
  CounterLayout layout;
  layout.taps = false;
  check_variant(layout, CountedAt::trace_events);
}

TEST_CASE("T93 their raw_tp twins count exactly on this kernel") {
  CounterLayout layout;
  layout.taps = false;
  layout.variant = CounterVariant::raw_tp;
  check_variant(layout, CountedAt::trace_events);
}

TEST_CASE("T93 those that read memory by calls count exactly on this kernel") {
  CounterLayout layout;
  layout.taps = false;
  layout.variant = CounterVariant::probing;
  check_variant(layout, CountedAt::trace_events);
}

// Of all places the one that costs least: the traffic-control hooks since 6.6.
TEST_CASE("T93 what is chosen for a veth device counts exactly on this kernel") {
  check_variant(CounterLayout{}, kernel_abilities().has_tcx ? CountedAt::tcx : CountedAt::tap);
}

TEST_CASE("T93 the taps count exactly on this kernel") {
  CounterLayout layout;
  layout.tcx = false;
  check_variant(layout, CountedAt::tap);
}

TEST_CASE("T93 taps with a program each count exactly on this kernel") {
  CounterLayout layout;
  layout.tcx = false;
  layout.shared_taps = false;
  check_variant(layout, CountedAt::tap);
}
}  // namespace tl::counter_variants_test
