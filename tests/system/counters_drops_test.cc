// What was offered, sent and refused: identities with the statistics of devices and queueing
// disciplines.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

#include <csignal>
#include <fstream>
#include <map>

#include "analysis/evidence.hh"
#include "analysis/reconcile.hh"
#include "base/clock.hh"
#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/processes.hh"
#include "support/qdisc.hh"
#include "support/slow_peer.hh"
#include "support/star.hh"
#include "support/temporary.hh"

namespace tl::counters_drops_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t kPort = 9000;
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

}  // namespace

namespace {

constexpr std::uint32_t kFullPayload = 1472;
constexpr std::uint64_t kFullFrame = kHeaderBytes + kFullPayload;
constexpr std::int64_t kNsPerByte = 8000;  // 1 Mbit/s
constexpr std::uint64_t kBurst = 15'000, kLimit = 60'000;

// What had been offered and sent at the end of a bucket, since the beginning.
struct Edge {
  CounterValues offered_and_sent;  // rx_…: before the qdisc, tx_…: at the device
  [[nodiscard]] std::uint64_t offered() const { return offered_and_sent.rx_packets; }
  [[nodiscard]] std::uint64_t sent() const { return offered_and_sent.tx_packets; }
};

struct QdiscSample {
  std::int64_t before_ns = 0, after_ns = 0;  // monotonic, around the reading
  QdiscStatistics qdisc;
};

// Sends bursts through a token bucket and reads its statistics until it is empty.
std::vector<QdiscSample> shape(const VethPair& pair) {
  const QdiscReader reader{pair.left, "eth0"};
  const UdpSource source{pair.left};
  std::vector<QdiscSample> samples;
  source.send(kRight, kPort, kFullPayload, 100);
  for (bool has_more = true;;) {
    QdiscSample sample{monotonic_ns(), 0, reader.read()};
    sample.after_ns = monotonic_ns();
    samples.push_back(sample);
    if (has_more && sample.qdisc.backlog_packets < 20) {
      source.send(kRight, kPort, kFullPayload, 3);
      has_more = false;
    } else if (sample.qdisc.backlog_packets == 0) {
      return samples;
    }
    ::poll(nullptr, 0, 5);
  }
}

// The edges of all buckets, oldest first: index 0 is the end of the session's first bucket.
std::vector<Edge> edges_of(Counting& counting, std::uint32_t series) {
  CounterSession& session = counting.session();
  session.close();
  wait_for_grace_period();
  const CounterKernel& kernel = session.kernel();
  BucketReader reader{kernel.layout(), kernel.cpus(), kernel.memory(Hook::offered),
                      kernel.memory(Hook::tx), session.first_epoch()};
  const std::uint64_t last = session.grid().epoch_at(monotonic_ns());
  std::vector<Edge> edges;
  CounterValues sum;
  reader.read_through(
      last, [&] { return last; },
      [&](const Bucket& bucket) { edges.push_back({sum += bucket.series.at(series)}); });
  CHECK(reader.overruns().empty());
  return edges;
}

// The token bucket's law between any two edges: never more than burst and rate allow (and one
// frame, which may be on its way from the qdisc to the device), and while there is a backlog never
// less than the rate, as long as no timer is later than the burst lasts.
void check_flat(const std::vector<Edge>& edges, std::int64_t interval_ns) {
  for (std::size_t i = 0; i < edges.size(); ++i)
    for (std::size_t j = i + 1; j < edges.size(); ++j) {
      const std::uint64_t bytes = (edges[j].sent() - edges[i].sent()) * kFullFrame;
      const auto span_ns = static_cast<std::int64_t>(j - i) * interval_ns;
      const auto allowed = static_cast<std::uint64_t>(span_ns / kNsPerByte);
      if (bytes > kBurst + kFullFrame + allowed) FAIL_CHECK("too much from " << i << " to " << j);
    }
  std::size_t first = 0, last = edges.size() - 1;
  while (edges[first].sent() == 0) ++first;
  while (edges[last].sent() == edges.back().sent()) --last;
  for (std::size_t i = first; i <= last; ++i) {
    const auto span_ns = static_cast<std::int64_t>(i - first) * interval_ns;
    if (edges[i].sent() * kFullFrame + kFullFrame <
        static_cast<std::uint64_t>(span_ns / kNsPerByte))
      FAIL_CHECK("too little up to " << i);
  }
}

}  // namespace

TEST_CASE("T44 a token bucket of 1 Mbit/s: offered - sent - dropped is its backlog") {
  const VethPair pair;
  tc_in(pair.left,
        fmt::format("qdisc add dev eth0 root tbf rate 1mbit burst {} limit {}", kBurst, kLimit));
  CounterLayout layout = Counting::only_points();
  layout.offered = true;
  layout.interval_ns = 1'000'000;
  Counting counting{{{"a", &pair.left}}, layout};
  const std::vector<QdiscSample> samples = shape(pair);
  const std::vector<Edge> edges = edges_of(counting, counting.series("a", "eth0"));
  const CounterGrid grid = counting.session().grid();
  const std::uint64_t first = counting.session().first_epoch();
  const QdiscStatistics end = samples.back().qdisc;

  // At readings around which nothing moved. (A packet that has left the qdisc reaches the device
  // microseconds later.)
  std::size_t compared = 0;
  for (const QdiscSample& sample : samples) {
    const std::uint64_t from = grid.epoch_at(sample.before_ns) - first;
    const std::uint64_t to = grid.epoch_at(sample.after_ns) - first + 1;
    if (from == 0 || to >= edges.size()) continue;
    if (edges[from - 1].offered_and_sent != edges[to].offered_and_sent) continue;
    const CounterValues& now = edges[to].offered_and_sent;
    const QdiscStatistics& qdisc = sample.qdisc;
    CHECK(now.rx_packets - now.tx_packets - qdisc.drops == qdisc.backlog_packets);
    CHECK(now.rx_bytes - now.tx_bytes - qdisc.drops * kFullFrame == qdisc.backlog_bytes);
    ++compared;
  }
  CHECK(compared >= 10);

  // At every edge behind the one burst that did not fit.
  const std::size_t burst_end = grid.epoch_at(samples.front().before_ns) - first;
  for (std::size_t i = burst_end; i < edges.size(); ++i) {
    const std::uint64_t queued = edges[i].offered() - edges[i].sent() - end.drops;
    if (queued * kFullFrame > kLimit) FAIL_CHECK("backlog of " << queued << " at edge " << i);
  }
  CHECK(edges.back().offered() == 103);
  CHECK(edges.back().sent() == 103 - end.drops);
  CHECK(edges.back().sent() == end.packets);
  CHECK(statistics(pair.left, "eth0").tx_packets == end.packets);
  CHECK(end.drops > 0);
  check_flat(edges, layout.interval_ns);
}

// The three things that may happen to a packet on its way out, and where each is said.
TEST_CASE("--offered shows what queues were given: less sent it is what they dropped") {
  const VethPair pair;
  tc_in(pair.left,
        fmt::format("qdisc add dev eth0 root tbf rate 8mbit burst {} limit {}", kBurst, kLimit));
  const TemporaryFolder folder;
  const auto file = [&](const char* kind) { return (folder.path() / kind).native(); };
  const auto start = [&](const char* kind, const Argv& more) {
    const UniqueFd err = open_fd(file(kind) + ".err", O_WRONLY | O_CREAT);
    ChildOptions options;
    options.stderr_fd = err.get();
    Argv argv{TL_PROGRAM, "counters", kind,       "--offered", "--netns", path_of(pair.left),
              "-i",       "eth0",     "--format", "jsonl",     "-o",      file(kind)};
    argv.insert(argv.end(), more.begin(), more.end());
    Child child{argv, options};
    REQUIRE(eventually(
        [&] { return read_value(file(kind) + ".err").find("armed") != std::string::npos; }, 60s));
    return child;
  };
  std::map<std::string, Child> counters;
  counters.emplace("container", start("container", {}));
  counters.emplace("port", start("port", {"-p", std::to_string(kPort)}));
  const QdiscReader reader{pair.left, "eth0"};
  const UdpSource source{pair.left};
  source.send(kRight, kPort, kFullPayload, 100);
  REQUIRE(eventually([&] { return reader.read().backlog_packets == 0; }, 20s));
  ::poll(nullptr, 0, 20);  // the last one is on its way to the device
  const QdiscStatistics qdisc = reader.read();
  REQUIRE(qdisc.drops > 0);
  for (auto& [kind, child] : counters) {
    CAPTURE(kind);
    child.signal(SIGINT);
    const auto status = child.wait(20s);
    REQUIRE(status);
    CHECK(status->ok());
    std::map<std::string, std::uint64_t> sums;
    std::ifstream rows{file(kind.c_str())};
    for (std::string line; std::getline(rows, line);) {
      const nlohmann::json row = nlohmann::json::parse(line);
      for (const auto& [name, value] : row.items())
        if (value.is_number_unsigned()) sums[name] += value.get<std::uint64_t>();
    }
    CHECK(sums["offered_packets"] == 100);
    CHECK(sums["offered_bytes"] == 100 * kFullFrame);
    CHECK(sums["offered_wire_packets"] == 100);
    CHECK(sums["tx_packets"] == 100 - qdisc.drops);
    CHECK(read_value(file(kind.c_str()) + ".err")
              .find(fmt::format("offered {} bytes in 100 packets, refused by drivers 0 bytes in 0 "
                                "packets",
                                100 * kFullFrame)) != std::string::npos);
  }
}

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

  const QdiscStatistics qdisc = QdiscReader{pair.left, "eth0"}.read();
  CHECK(qdisc.packets == 1000);
  CHECK(qdisc.requeues > 0);
  CHECK(statistics(pair.left, "eth0").tx_packets == 1000);
  CHECK(statistics(pair.left, "eth0").tx_dropped == 0);
}
}  // namespace tl::counters_drops_test
