// Time in the counters: which bucket a packet belongs to, with the programs that measure and a
// clock that the test sets.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <random>

#include "base/fd.hh"
#include "base/process.hh"
#include "support/busy_cpus.hh"
#include "support/datagrams.hh"
#include "support/mocked_counters.hh"
#include "support/raw_frames.hh"
#include "support/temporary.hh"

namespace tl::counters_time_test {
using namespace tl::test;

namespace {

using namespace std::chrono_literals;
using Packets = std::map<std::uint64_t, std::uint64_t>;

CounterLayout interval_of(std::int64_t interval_ns) {
  CounterLayout layout;
  layout.interval_ns = interval_ns;
  layout.device_series = 2;
  return layout;
}

// Devices of the calling thread's namespace that send nothing by themselves.
std::vector<std::string> quiet_veths(std::size_t pairs) {
  const TemporaryFolder folder;
  std::vector<std::string> names;
  std::string commands;
  for (std::size_t i = 0; i < pairs; ++i) {
    names.push_back(fmt::format("d{}", i));
    names.push_back(fmt::format("e{}", i));
    commands += fmt::format("link add d{} type veth peer name e{}\n", i, i);
    for (const char end : {'d', 'e'})
      commands += fmt::format("link set {0}{1} addrgenmode none\nlink set {0}{1} up\n", end, i);
  }
  write_file_atomic(folder.path() / "batch", commands);
  must_run({"ip", "-batch", (folder.path() / "batch").native()}, 60s);
  return names;
}

}  // namespace

TEST_CASE("T01 a packet one nanosecond before an edge, on it, and one after") {
  constexpr std::int64_t kInterval = 10'000'000;
  MockedCounters counters{interval_of(kInterval)};
  constexpr std::int64_t kEdge = 7 * kInterval;
  counters.packet_at(kEdge - 1);
  counters.packet_at(kEdge);
  counters.packet_at(kEdge + 1);
  CHECK(counters.packets(1, 20) == Packets{{6, 1}, {7, 2}});
}

TEST_CASE(
    "T02 idle for a lap of the ring less a bucket, exactly, and more: no ghost of the old lap") {
  constexpr std::int64_t kInterval = 10'000'000;
  CounterLayout layout = interval_of(kInterval);
  layout.slots = 64;
  for (const std::int64_t gap : {63, 64, 65}) {
    CAPTURE(gap);
    MockedCounters counters{layout};
    counters.packet_at(20 * kInterval);
    counters.packet_at(20 * kInterval + 1);
    CHECK(counters.packets(10, 30) == Packets{{20, 2}});
    counters.packet_at((20 + gap) * kInterval);
    const auto now = static_cast<std::uint64_t>(20 + gap);
    // The empty buckets in between have the slots of older ones.
    CHECK(counters.packets(now - 50, now + 5) == Packets{{now, 1}});
    CHECK(counters.totals().tx_packets == 3);
  }
}

TEST_CASE("T03 a clock that steps back 50 ns across an edge: both buckets keep their packets") {
  constexpr std::int64_t kInterval = 10'000'000;
  MockedCounters counters{interval_of(kInterval)};
  constexpr std::int64_t kEdge = 7 * kInterval;
  counters.packet_at(kEdge - 60);
  counters.packet_at(kEdge + 10);
  counters.packet_at(kEdge - 40);  // another CPU's clock is 50 ns behind
  counters.packet_at(kEdge + 20);
  CHECK(counters.packets(1, 20) == Packets{{6, 2}, {7, 2}});
  CHECK(counters.totals().tx_packets == 4);
}

// Without taps: at the trace events each device has a counter of its own, also in a shared series.
TEST_CASE("T03 the same at the trace events, over an edge and idle for a lap of the ring") {
  constexpr std::int64_t kInterval = 10'000'000;
  CounterLayout layout = interval_of(kInterval);
  layout.taps = false;
  layout.slots = 64;
  MockedCounters counters{layout};
  const OnCpu one{0};
  for (const std::int64_t at : {-60, 10, -40, 20}) counters.packet_at(70 * kInterval + at);
  CHECK(counters.packets(60, 80) == Packets{{69, 2}, {70, 2}});
  for (const std::int64_t lap : {63, 127, 192}) counters.packet_at((70 + lap) * kInterval);
  CHECK(counters.packets(210, 262) == Packets{{262, 1}});
  CHECK(counters.totals().tx_packets == 7);
}

TEST_CASE("devices in one series: one that was idle for a lap takes nothing from another") {
  constexpr std::int64_t kInterval = 10'000'000;
  CounterLayout layout = interval_of(kInterval);
  layout.device_series = 1;  // `other`, for both ends
  layout.taps = false;
  layout.slots = 64;
  MockedCounters counters{layout};
  const NetNs& right = counters.pair().right;
  right.run([&] {
    const tl_device_key key = device_key(right.inode(), static_cast<int>(::if_nametoindex("eth0")));
    return counters.kernel().name_device({key, ARPHRD_ETHER});
  });
  const OnCpu one{0};
  const UdpSink sink{counters.pair().left, "198.18.0.1", kNoisePort};
  const UdpSource source{right};
  counters.packet_at(20 * kInterval);
  Packets expected;
  for (std::int64_t bucket = 21; bucket <= 85; ++bucket) {
    counters.kernel().set_mock_time(
        static_cast<std::uint64_t>(MockedCounters::kBaseNs + bucket * kInterval));
    source.send("198.18.0.1", kNoisePort, 100, 1);
    if (bucket >= 40) expected[static_cast<std::uint64_t>(bucket)] = 1;
  }
  counters.packet_at(85 * kInterval + 1);  // puts bucket 20 away, whose place bucket 84 has by now
  expected[85] += 1;
  CHECK(counters.packets(40, 86) == expected);
  CHECK(counters.totals().tx_packets == 67);
}

// On one CPU at the trace events, each device that sends takes the slot of one that did not lately.
TEST_CASE("T03 devices that push each other out of their slots, amid steps of the clock") {
  constexpr std::int64_t kInterval = 1'000'000;
  constexpr std::uint64_t kFirst = 100, kBuckets = 100, kPairs = 280;
  static_assert(2 * kPairs > TL_DEVICE_SLOTS, "else this test says nothing");
  CounterLayout layout = interval_of(kInterval);
  layout.device_series = 2 * kPairs + 2;
  layout.taps = false;
  layout.slots = 256;
  MockedCounters counters{layout};
  const OnCpu one{0};
  struct Device {
    int ifindex;
    std::uint32_t series;
  };
  const NetNs& netns = counters.pair().left;
  const std::vector<Device> devices = netns.run([&] {
    std::vector<Device> made;
    for (const std::string& name : quiet_veths(kPairs)) {
      const auto ifindex = static_cast<int>(::if_nametoindex(name.c_str()));
      const tl_device_key key = device_key(netns.inode(), ifindex);
      made.push_back({ifindex, counters.kernel().name_device({key, ARPHRD_ETHER}).series});
    }
    return made;
  });
  const RawSender sender{netns};

  std::mt19937_64 random{1};
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> expected;  // series, bucket
  const Bytes frame(60);
  const auto packet_at = [&](std::int64_t at_ns) {
    const Device& device = devices[random() % devices.size()];
    counters.kernel().set_mock_time(static_cast<std::uint64_t>(MockedCounters::kBaseNs + at_ns));
    sender.send_on(device.ifindex, frame, 1);
    expected[{device.series, static_cast<std::uint64_t>(at_ns / kInterval)}] += 1;
  };
  for (std::uint64_t bucket = kFirst; bucket < kFirst + kBuckets; ++bucket) {
    const auto edge_ns = static_cast<std::int64_t>(bucket) * kInterval;
    for (std::size_t i = 0; i < 2 * devices.size(); ++i)
      packet_at(edge_ns + static_cast<std::int64_t>(random() % 100) - 50);
    for (std::size_t i = 0; i < devices.size() / 2; ++i)
      packet_at(edge_ns + 100 + static_cast<std::int64_t>(random() % 10'000));
  }
  REQUIRE(expected.size() > kBuckets);

  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> found;
  BucketReader reader{counters.kernel().layout(), counters.kernel().cpus(),
                      counters.kernel().memory(Hook::rx), counters.kernel().memory(Hook::tx),
                      kFirst - 1};
  reader.read_through(
      kFirst + kBuckets, [] { return kFirst + kBuckets + 1; },
      [&](const Bucket& bucket) {
        for (const Device& device : devices)
          if (const std::uint64_t packets = bucket.series.at(device.series).tx_packets;
              packets != 0)
            found[{device.series, bucket.epoch}] = packets;
      });
  CHECK(found == expected);
}

TEST_CASE("T04 100 us, 1 ms, 3.333 ms, 10 ms and 1 s: each packet in the bucket of its moment") {
  for (const std::int64_t interval : {100'000, 1'000'000, 3'333'000, 10'000'000, 1'000'000'000}) {
    CAPTURE(interval);
    MockedCounters counters{interval_of(interval)};
    Packets expected;
    // A third of a bucket further each time, so that edges fall everywhere in between.
    for (std::int64_t at = 2 * interval; at < 42 * interval; at += interval / 3 + 7) {
      counters.packet_at(at);
      ++expected[static_cast<std::uint64_t>(at / interval)];
    }
    CHECK(counters.packets(1, 45) == expected);
  }
}

TEST_CASE("T10 more than 4 GiB of super-packets in one bucket: sums have 64 bits") {
  MockedCounters counters{interval_of(1'000'000'000)};
  UdpSender sender{counters.pair(), kNoisePort, 1472};
  constexpr std::uint32_t kSegments = 44;  // 64 KiB, the most that a datagram may have
  constexpr std::uint64_t kSuperPackets = 67'000;
  counters.kernel().set_mock_time(MockedCounters::kBaseNs + 5'500'000'000);
  for (std::uint64_t i = 0; i < kSuperPackets; ++i) sender.send_super_packet(kSegments);
  const auto buckets = counters.buckets(1, 20);
  REQUIRE(buckets.size() == 1);
  const CounterValues& bucket = buckets.at(5);
  CHECK(bucket.tx_packets == kSuperPackets);
  CHECK(bucket.tx_bytes == kSuperPackets * (kHeaderBytes + kSegments * 1472));
  CHECK(bucket.tx_bytes > 1ULL << 32);
  CHECK(bucket.tx_wire_packets == kSuperPackets * kSegments);
  CHECK(bucket.tx_wire_bytes == kSuperPackets * kSegments * (kHeaderBytes + 1472));
  CHECK(counters.totals() == bucket);
}

TEST_CASE("T13 room for more CPUs than are online is empty; a CPU beyond the room is said") {
  CounterLayout layout = interval_of(10'000'000);
  layout.cpus = 64;
  MockedCounters roomy{layout};
  for (std::int64_t i = 0; i < 10; ++i) roomy.packet_at(70'000'000 + i);
  CHECK(roomy.packets(1, 20) == Packets{{7, 10}});
  CHECK(roomy.lost() == 0);

  layout.cpus = 1;
  MockedCounters narrow{layout};
  {
    const OnCpu first{0};
    narrow.packet_at(70'000'000);
  }
  {
    const OnCpu second{1};
    narrow.packet_at(70'000'000);
    narrow.packet_at(80'000'000);
  }
  CHECK(narrow.packets(1, 20) == Packets{{7, 1}});
  CHECK(narrow.totals().tx_packets == 1);
  CHECK(narrow.lost() == 2);
}

TEST_CASE(
    "more series than the kernel has room for on so many CPUs: said before anything is loaded") {
  CounterLayout layout = interval_of(10'000'000);
  layout.cpus = 8192;
  layout.device_series = 64;
  CHECK_THROWS_WITH_AS(CounterKernel{layout}, doctest::Contains("the kernel allows 512"),
                       UsageError);
}
}  // namespace tl::counters_time_test
