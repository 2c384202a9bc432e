// Whose packets are whose when namespaces come and go in numbers, and when there are more of them
// than series.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "support/busy_cpus.hh"
#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/raw_frames.hh"
#include "support/star.hh"
#include "support/veth_pair.hh"

namespace tl::counters_attribution_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t kPort = 9000;
constexpr std::uint64_t kUdpHeaders = 14 + 20 + 8;

// So many datagrams of so many bytes from the namespace to itself: each is one frame out of and one
// into lo.
void talk_to_itself(const NetNs& netns, std::uint32_t payload_bytes, std::uint64_t count) {
  UdpSink sink{netns, "127.0.0.1", kPort};
  UdpSource{netns}.send("127.0.0.1", kPort, payload_bytes, count);
  REQUIRE(sink.take(count) == count);
}

// Packets with a pause behind each: this kind of machine may miss the trace events of some tenths
// of a millisecond, and so all of a burst.
constexpr std::uint64_t kApart = 20;
constexpr auto kPause = 1ms;

void send_apart(const NetNs& netns, const std::string& device, std::uint64_t frame_bytes) {
  const RawSender sender{netns, device};
  for (std::uint64_t i = 0; i < kApart; ++i) {
    sender.send(Bytes(frame_bytes), 1);
    std::this_thread::sleep_for(kPause);
  }
}

// A device's counter is found by the device's address, which stays the same.
void check_moving_device(CounterLayout layout, std::chrono::milliseconds pause) {
  constexpr std::uint64_t kBefore = 60, kAfter = 80;  // bytes of a frame
  layout.device_series = 1024;
  const NetNs named = quiet_netns(), left = quiet_netns(), right = quiet_netns();
  Counting counting{{{"named", &named}}, layout};
  const OnCpu one{0};  // whose counters knew the device before
  ip_in(left, "link add v1 index 77 type veth peer name v2");
  for (const std::string end : {"v1", "v2"}) ip_in(left, "link set " + end + " up");
  send_apart(left, "v1", kBefore);
  ip_in(left, "link set v1 netns " + path_of(right));
  ip_in(right, "link set v1 up");
  std::this_thread::sleep_for(pause);
  send_apart(right, "v1", kAfter);
  const Counted counted = counting.finish();
  const auto tx_of = [&](const NetNs& netns) {
    return counted.devices.at(fmt::format("{},if77", netns.inode()));
  };
  for (const auto& [netns, length] : {std::pair{&left, kBefore}, std::pair{&right, kAfter}}) {
    const CounterValues counts = tx_of(*netns);
    CHECK(counts.tx_packets > 0);
    CHECK(counts.tx_packets <= kApart);
    CHECK(counts.tx_bytes == counts.tx_packets * length);
  }
}

}  // namespace

TEST_CASE("T60 200 namespaces start and stop: none has packets of another, reused numbers apart") {
  constexpr std::size_t kNamespaces = 200;
  constexpr std::uint64_t kEach = 5;
  CounterLayout layout;  // devices that nobody named get a series
  layout.interval_ns = 100'000'000;
  layout.device_series = 1024;  // also for what else comes and goes on this machine
  const NetNs named = quiet_netns();
  Counting counting{{{"named", &named}}, layout};
  // Each sends datagrams of a length that no other sends, and is gone.
  std::multiset<std::uint64_t> inodes;
  std::map<std::uint64_t, std::string> inode_of_length;
  for (std::size_t i = 0; i < kNamespaces; ++i) {
    const NetNs netns = quiet_netns();
    inodes.insert(netns.inode());
    const auto payload = static_cast<std::uint32_t>(100 + i);
    inode_of_length[payload + kUdpHeaders] = std::to_string(netns.inode());
    for (std::uint64_t sent = 0; sent < kEach; ++sent) {
      talk_to_itself(netns, payload, 1);
      std::this_thread::sleep_for(kPause);
    }
    if (i % 20 == 0) counting.drain();
  }
  talk_to_itself(named, 1000, kEach);
  const Counted counted = counting.finish();
  const bool reused = std::any_of(inodes.begin(), inodes.end(),
                                  [&](std::uint64_t i) { return inodes.count(i) > 1; });
  CHECK(reused);  // else this test says nothing
  CHECK(counted.devices.at("named,lo") == frames(kEach, kEach, 1000 + kUdpHeaders));
  std::set<std::uint64_t> lengths_seen;
  for (const auto& [name, values] : counted.devices) {
    const std::string inode = name.substr(0, name.find_first_of("#,"));
    if (inode == "named" || inode == "other" || values.tx_packets == 0) continue;
    const std::uint64_t length = values.tx_bytes / values.tx_packets;
    const auto sender = inode_of_length.find(length);
    if (sender == inode_of_length.end() || sender->second != inode) continue;  // others' devices
    CAPTURE(name);
    CHECK(lengths_seen.insert(length).second);
    CHECK(values.tx_bytes == values.tx_packets * length);  // of this namespace and no other
    CHECK(values.rx_bytes == values.rx_packets * length);
    CHECK(values.tx_packets <= kEach);  // trace events may miss some on this kind of machine
    CHECK(values.rx_packets <= kEach);
  }
  CHECK(lengths_seen.size() == kNamespaces);
}

TEST_CASE("T60 a device that moves to another namespace is that one's from then on") {
  CounterLayout layout;
  layout.interval_ns = 1'000'000'000;  // all of it in one bucket, or two
  check_moving_device(layout, 0ms);
}

TEST_CASE(
    "T60 the same where the event of the move was missed, but for the bucket that it was in") {
  CounterLayout layout;
  layout.interval_ns = 1'000'000;
  layout.sees_openings = false;
  check_moving_device(layout, 5ms);
}

TEST_CASE("T64 more devices than series: the rest is `other`, to the packet, and totals have all") {
  constexpr std::size_t kNamespaces = 70, kSeries = 64;  // with `other`
  std::vector<NetNs> namespaces;
  Counting::Points points;
  namespaces.reserve(kNamespaces);
  for (std::size_t i = 0; i < kNamespaces; ++i) {
    namespaces.push_back(quiet_netns());
    points.emplace_back(fmt::format("n{}", i), &namespaces[i]);
  }
  CounterLayout layout = Counting::only_points();
  layout.device_series = kSeries;
  Counting counting{points, layout};
  std::uint64_t sent = 0, in_other = 0;
  for (std::size_t i = 0; i < kNamespaces; ++i) {
    talk_to_itself(namespaces[i], kPayload, i + 1);
    sent += i + 1;
    if (i + 1 >= kSeries) in_other += i + 1;
  }
  const Counted counted = counting.finish();
  for (std::size_t i = 0; i + 1 < kSeries; ++i)
    CHECK(counted.devices.at(fmt::format("n{},lo", i)) == frames(i + 1, i + 1));
  CHECK(counted.devices.count(fmt::format("n{},lo", kSeries - 1)) == 0);
  CHECK(counted.devices.at("other,other") == frames(in_other, in_other));
  CHECK(counted.total == frames(sent, sent));
}
}  // namespace tl::counters_attribution_test
