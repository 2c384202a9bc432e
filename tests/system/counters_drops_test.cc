// What was sent, what was refused and what went past the counters: identities with the statistics
// of devices and queueing disciplines.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "analysis/evidence.hh"
#include "analysis/reconcile.hh"
#include "base/process.hh"
#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/slow_peer.hh"
#include "support/star.hh"
#include "support/temporary.hh"

using namespace tl;
using namespace tl::test;

namespace {

constexpr std::uint16_t kPort = 9000;
constexpr std::uint32_t kPayload = 100;
constexpr std::uint64_t kFrame = kHeaderBytes + kPayload;
constexpr const char* kRight = "198.18.0.2";

// How the product judges the packets that were counted: by the identities of a bundle that holds
// just this. (A veth device whose peer has NAPI counts bytes without the Ethernet header.)
std::vector<std::string> packet_problems(const Counted& counted) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "counters");
  write_file_atomic(folder.path() / "counters/counters.json",
                    nlohmann::json{{"points", counted.points}}.dump());
  std::vector<std::string> problems =
      reconcile(read_evidence(folder.path()).services, std::nullopt).problems();
  std::erase_if(problems, [](const std::string& p) { return !p.ends_with(" packets"); });
  return problems;
}

// The first queueing discipline of eth0, as `tc -s -j` describes it.
nlohmann::json qdisc_of(const NetNs& netns) {
  return nlohmann::json::parse(netns.run([] {
           return must_run({"tc", "-s", "-j", "qdisc", "show", "dev", "eth0"},
                           std::chrono::seconds{10});
         }))
      .at(0);
}

}  // namespace

TEST_CASE("T45 a peer whose queue is full: refused == tx_dropped == sent - received") {
  const VethPair pair;
  const SlowPeer slow{pair};
  UdpSink sink{pair.right, kRight, kPort};
  Counting counting{{{"a", &pair.left}, {"b", &pair.right}}};
  const UdpSource source{pair.left};
  slow.during([&] { source.send(kRight, kPort, kPayload, 1000); });
  REQUIRE(sink.take(kPeerQueue) == kPeerQueue);
  const Counted counted = counting.finish();
  const CounterValues &a = counted.devices.at("a,eth0"), &b = counted.devices.at("b,eth0");
  const CounterValues refused = counted.failed.at("a,eth0");
  const LinkStatistics device = statistics(pair.left, "eth0");
  CHECK(a.tx_packets == 1000);  // attempts
  CHECK(a.tx_bytes == 1000 * kFrame);
  CHECK(b.rx_packets == kPeerQueue);
  CHECK(refused.tx_packets == device.tx_dropped);
  CHECK(refused.tx_bytes == device.tx_dropped * kFrame);
  CHECK(a.tx_packets - b.rx_packets == refused.tx_packets);
  CHECK(a.tx_bytes - b.rx_bytes == refused.tx_bytes);
  CHECK(device.tx_packets == kPeerQueue);
  CHECK(packet_problems(counted) == std::vector<std::string>{});
}

TEST_CASE("T46 a busy device is offered packets again: counted once") {
  const VethPair pair;
  const SlowPeer slow{pair};
  tc_in(pair.left, "qdisc add dev eth0 root pfifo limit 2000");
  UdpSink sink{pair.right, kRight, kPort};
  CounterLayout trace_events = Counting::only_points();
  trace_events.taps = false;
  Counting at_taps{{{"a", &pair.left}, {"b", &pair.right}}};
  Counting at_events{{{"a", &pair.left}, {"b", &pair.right}}, trace_events};
  const UdpSource source{pair.left};
  slow.during([&] { source.send(kRight, kPort, kPayload, 1000); });
  REQUIRE(sink.take(1000) == 1000);

  const Counted tapped = at_taps.finish();
  CHECK(tapped.devices.at("a,eth0").tx_packets == 1000);
  CHECK(tapped.devices.at("a,eth0").tx_bytes == 1000 * kFrame);
  CHECK(tapped.devices.at("b,eth0").rx_packets == 1000);
  CHECK(tapped.devices.at("b,eth0").rx_bytes == 1000 * kFrame);
  CHECK(tapped.failed.at("a,eth0") == CounterValues{});
  CHECK(packet_problems(tapped) == std::vector<std::string>{});

  // The trace event is raised for every attempt: those that failed are counted beside.
  const Counted events = at_events.finish();
  const CounterValues &attempts = events.devices.at("a,eth0"), &busy = events.failed.at("a,eth0");
  CHECK(busy.tx_packets > 0);
  CHECK(attempts.tx_packets - busy.tx_packets == 1000);
  CHECK(attempts.tx_bytes - busy.tx_bytes == 1000 * kFrame);
  CHECK(packet_problems(events) == std::vector<std::string>{});

  CHECK(qdisc_of(pair.left).at("packets") == 1000);
  CHECK(qdisc_of(pair.left).at("requeues") > 0);
  CHECK(statistics(pair.left, "eth0").tx_packets == 1000);
  CHECK(statistics(pair.left, "eth0").tx_dropped == 0);
}
