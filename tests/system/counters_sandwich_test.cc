// Counters beside a capture of the same device: the same packets at the same time, although one
// goes by its own clock at the moment of counting and the other by the kernel's stamp of the
// packet.
#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <map>

#include "analysis/capture_reader.hh"
#include "support/capture_process.hh"
#include "support/counting.hh"
#include "support/temporary.hh"
#include "support/veth_pair.hh"

namespace tl::counters_sandwich_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

// The time stamps of all packets of a capture, sorted.
std::vector<std::int64_t> stamps_in(const std::filesystem::path& file) {
  std::vector<std::int64_t> stamps;
  CaptureReader reader = CaptureReader::open(file);
  for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
    for (const Packet& packet : batch) stamps.push_back(packet.time_ns);
  std::sort(stamps.begin(), stamps.end());
  return stamps;
}

std::uint64_t before(const std::vector<std::int64_t>& stamps, std::int64_t time_ns) {
  return static_cast<std::uint64_t>(std::lower_bound(stamps.begin(), stamps.end(), time_ns) -
                                    stamps.begin());
}

// Both ends of a pair, captured and counted while `send` runs. By bucket begin, in real time.
struct Witnessed {
  std::vector<std::int64_t> tx_stamps, rx_stamps;
  std::map<std::int64_t, std::uint64_t> tx, rx;
};
template <class Send>
Witnessed witness(std::int64_t interval_ns, Send&& send) {
  const VethPair pair;
  const TemporaryFolder folder;
  CaptureProcess left{folder.path() / "left.pcap", {"--netns", path_of(pair.left), "-i", "eth0"}};
  CaptureProcess right{folder.path() / "right.pcap",
                       {"--netns", path_of(pair.right), "-i", "eth0"}};
  CounterLayout layout = Counting::only_points();
  layout.interval_ns = interval_ns;
  Counting counting{{{"a", &pair.left}, {"b", &pair.right}}, layout};
  UdpSender sender{pair, kWantedPort};
  send(sender, counting);
  const std::uint32_t a = counting.series("a", "eth0"), b = counting.series("b", "eth0");
  const Counted counted = counting.finish();
  for (CaptureProcess* capture : {&left, &right}) {
    CHECK(capture->end(SIGTERM).ok());
    check_account(capture->account(), capture->file());
  }
  Witnessed seen{stamps_in(left.file()), stamps_in(right.file()), {}, {}};
  for (const Bucket& bucket : counted.buckets) {
    const std::int64_t begin_ns = counting.session().grid().time_of(bucket.epoch);
    seen.tx[begin_ns] = bucket.series[a].tx_packets;
    seen.rx[begin_ns] = bucket.series[b].rx_packets;
  }
  CHECK(seen.tx_stamps.size() == sender.sent());
  CHECK(seen.rx_stamps.size() == sender.sent());
  CHECK(counted.devices.at("a,eth0").tx_packets == sender.sent());
  CHECK(counted.devices.at("b,eth0").rx_packets == sender.sent());
  return seen;
}

// At every edge t of a bucket: captured by t - d <= counted by t <= captured by t + d. Returns the
// share of edges at which that holds for one interval, at least 1 ms; a busy machine may stop
// between stamp and count, which nobody does for longer than kLongest.
double check_sandwich(const std::vector<std::int64_t>& stamps,
                      const std::map<std::int64_t, std::uint64_t>& counts,
                      std::int64_t interval_ns) {
  constexpr std::int64_t kLongest = 50 * kMillisecond;
  const std::int64_t close_ns = std::max(interval_ns, kMillisecond);
  std::uint64_t counted = 0, close = 0, outside = 0;
  for (const auto& [begin_ns, packets] : counts) {
    const auto holds = [&, edge_ns = begin_ns](std::int64_t d) {
      return before(stamps, edge_ns - d) <= counted && counted <= before(stamps, edge_ns + d);
    };
    outside += holds(kLongest) ? 0 : 1;
    close += holds(close_ns) ? 1 : 0;
    counted += packets;
  }
  CHECK(outside == 0);
  CHECK(counted == stamps.size());
  return static_cast<double>(close) / static_cast<double>(counts.size());
}

}  // namespace

TEST_CASE("T82 at every edge counters and capture have the same packets: 10 ms, 1 ms, 100 us") {
  for (const std::int64_t interval_ns : {10 * kMillisecond, kMillisecond, kMillisecond / 10}) {
    CAPTURE(interval_ns);
    const Witnessed seen = witness(interval_ns, [](UdpSender& sender, Counting& counting) {
      sender.flood(20'000);
      for (const Deadline end{700ms}; !end.passed(); ::poll(nullptr, 0, 20)) counting.drain();
      sender.stop();
    });
    CHECK(check_sandwich(seen.tx_stamps, seen.tx, interval_ns) > 0.9);
    CHECK(check_sandwich(seen.rx_stamps, seen.rx, interval_ns) > 0.9);
  }
}

TEST_CASE("T83 packets stamped well inside a bucket: every bucket equals the capture's") {
  constexpr std::int64_t kInterval = 200 * kMillisecond, kGuard = 50 * kMillisecond;
  const Witnessed seen = witness(kInterval, [](UdpSender& sender, Counting& counting) {
    for (std::uint64_t burst = 1; burst <= 10; ++burst) {
      const std::int64_t into_ns = realtime_ns() % kInterval;  // edges are multiples of it
      const std::int64_t wait_ns = kInterval + kInterval / 2 - into_ns;
      ::poll(nullptr, 0, static_cast<int>(wait_ns / kMillisecond));
      sender.send(burst * 10);
      counting.drain();
    }
  });
  for (const auto& [stamps, counts] :
       {std::pair{&seen.tx_stamps, &seen.tx}, std::pair{&seen.rx_stamps, &seen.rx}}) {
    std::size_t compared = 0;
    for (const auto& [begin_ns, packets] : *counts) {
      // A sender that this machine delayed to an edge proves nothing about the buckets beside it.
      const auto captured = [&, begin = begin_ns](std::int64_t from_ns, std::int64_t to_ns) {
        return before(*stamps, begin + to_ns) - before(*stamps, begin + from_ns);
      };
      if (captured(-kGuard, kGuard) + captured(kInterval - kGuard, kInterval + kGuard) != 0)
        continue;
      CHECK(packets == captured(0, kInterval));
      compared += packets == 0 ? 0 : 1;
    }
    CHECK(compared >= 5);
  }
}
}  // namespace tl::counters_sandwich_test
