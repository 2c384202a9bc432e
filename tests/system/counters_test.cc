// The standalone counters against arithmetic, device statistics and a packet socket that shares no
// code with them.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <csignal>
#include <map>
#include <sstream>
#include <thread>

#include "base/errors.hh"
#include "base/fd.hh"
#include "base/netlink.hh"
#include "bundle/counter_csv.hh"
#include "support/busy_cpus.hh"
#include "support/counters_process.hh"
#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/lab_run.hh"
#include "support/processes.hh"
#include "support/veth_pair.hh"

namespace tl::counters_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

// Counts what arrives at a device, one recvmsg(2) a frame.
class ReferenceCounter {
 public:
  explicit ReferenceCounter(const NetNs& netns) {
    socket_ = netns.run([] {
      UniqueFd socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))};
      const int room = 256 << 20;
      REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0);
      return socket;
    });
    thread_ = std::jthread{[this](const std::stop_token& stop) { count(stop); }};
  }
  // Stops once nothing has come for a while.
  void finish() {
    thread_.request_stop();
    thread_.join();
  }
  std::uint64_t packets = 0, bytes = 0;

 private:
  void count(const std::stop_token& stop) {
    for (;;) {
      pollfd ready{socket_.get(), POLLIN, 0};
      if (::poll(&ready, 1, 50) == 0) {
        if (stop.stop_requested()) return;
        continue;
      }
      char byte = 0;
      sockaddr_ll from{};
      socklen_t size = sizeof from;
      const ssize_t length =
          ::recvfrom(socket_.get(), &byte, 1, MSG_TRUNC, reinterpret_cast<sockaddr*>(&from), &size);
      if (length < 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
      packets += 1;
      bytes += static_cast<std::uint64_t>(length);
    }
  }
  UniqueFd socket_;
  std::jthread thread_;
};

// What arithmetic says of the datagrams of one sender, each so many bytes on the wire.
CounterValues sent_of(const UdpSender& sender, std::uint64_t frame_bytes) {
  CounterValues values;
  values.tx_packets = values.tx_wire_packets = sender.sent();
  values.tx_bytes = values.tx_wire_bytes = sender.sent() * frame_bytes;
  return values;
}

// The same at the other end.
CounterValues received_of(const CounterValues& sent) {
  CounterValues values;
  values.rx_packets = values.rx_wire_packets = sent.tx_packets;
  values.rx_bytes = values.rx_wire_bytes = sent.tx_bytes;
  return values;
}

// Datagrams of a known size for each port, from left to right, under twice as much load as there
// are CPUs; for half of the time that the ring holds, the counters' process is stopped. Checks that
// the device and a packet socket have exactly those datagrams.
class GroundTruth {
 public:
  static inline const std::map<std::uint16_t, std::uint32_t> kPayloadBytes{
      {9000, 1}, {9001, 18}, {9002, 200}, {9003, 1472}};

  explicit GroundTruth(const Argv& what) {
    Argv args = what;
    args.insert(args.end(), {"--interval", "100us"});
    Counters counters{points(pair_, args)};
    ReferenceCounter reference{pair_.right};
    for (const auto& [port, bytes] : kPayloadBytes) senders_.try_emplace(port, pair_, port, bytes);
    {
      const BusyCpus load;
      send(100);
      constexpr std::chrono::milliseconds kHalfTheRing{820};  // of 16384 buckets
      counters.child().signal(SIGSTOP);
      for (const Deadline end{kHalfTheRing}; !end.passed(); ::poll(nullptr, 0, 20)) send(20);
      counters.child().signal(SIGCONT);
      send(100);
    }
    CHECK(counters.end().ok());
    reference.finish();
    sums_ = sums_of(counters.file());
    check_dense(sums_, 100'000);
    const CounterValues all = sent();
    CHECK(reference.packets == all.tx_packets);
    CHECK(reference.bytes == all.tx_bytes);
    CHECK(statistics(pair_.left, "eth0").tx_bytes == all.tx_bytes);
    CHECK(statistics(pair_.right, "eth0").rx_bytes == all.tx_bytes);
  }

  [[nodiscard]] const VethPair& pair() const { return pair_; }
  [[nodiscard]] const Sums& sums() const { return sums_; }
  [[nodiscard]] CounterValues sent(std::uint16_t port) const {
    return sent_of(senders_.at(port), kHeaderBytes + kPayloadBytes.at(port));
  }
  [[nodiscard]] CounterValues sent() const {
    CounterValues all;
    for (const auto& [port, bytes] : kPayloadBytes) all += sent(port);
    return all;
  }

 private:
  void send(std::uint64_t count) {
    for (auto& [port, sender] : senders_) sender.send(count + port % 4);  // no two the same
  }
  VethPair pair_;
  std::map<std::uint16_t, UdpSender> senders_;
  Sums sums_;
};

std::uint64_t received(const NetNs& netns) {
  return netns.run([] {
    for (const Link& link : list_links())
      if (link.name == "eth0") return link.statistics.rx_packets;
    return std::uint64_t{0};
  });
}

}  // namespace

TEST_CASE("T20 T21 UDP of every size: both sides and both directions equal arithmetic") {
  const VethPair pair;
  Counters counters{points(pair, {"container"})};
  std::uint64_t packets = 0, bytes = 0;
  for (const std::uint32_t payload : {1U, 2U, 17U, 18U, 100U, 511U, 1024U, 1471U, 1472U}) {
    UdpSender sender{pair, kWantedPort, payload};
    sender.send(10);
    packets += 10;
    bytes += 10 * (kHeaderBytes + payload);
    // Before the sink closes: what comes later would be answered with ICMP.
    REQUIRE(eventually([&] { return received(pair.right) == packets; }, 10s));
  }
  CHECK(counters.end().ok());
  const Sums sums = sums_of(counters.file());
  check_dense(sums, 10'000'000);
  const CounterValues& left = sums.series.at(last_part(pair.left));
  const CounterValues& right = sums.series.at(last_part(pair.right));
  CHECK(left.tx_packets == packets);
  CHECK(left.tx_bytes == bytes);
  CHECK(left.tx_wire_bytes == bytes);
  CHECK(left.rx_packets == 0);
  CHECK(right.rx_packets == packets);
  CHECK(right.rx_bytes == bytes);
  CHECK(right.tx_packets == 0);
}

TEST_CASE("T05 T06 ground truth by container: 20 of 20 runs, busy CPUs, reader stopped") {
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    const GroundTruth truth{{"container"}};
    CHECK(truth.sums().series.at(last_part(truth.pair().left)) == truth.sent());
    CHECK(truth.sums().series.at(last_part(truth.pair().right)) == received_of(truth.sent()));
  }
}

TEST_CASE("T05 T06 ground truth by port: 20 of 20 runs, busy CPUs, reader stopped") {
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    const GroundTruth truth{{"port", "-p", "9000", "-p", "9001", "-p", "9002", "-p", "9003"}};
    for (const auto& [port, bytes] : GroundTruth::kPayloadBytes) {
      CAPTURE(port);
      CHECK(truth.sums().series.at(fmt::format("{},remote", port)) == truth.sent(port));
      CHECK(truth.sums().series.at(fmt::format("{},local", port)) == received_of(truth.sent(port)));
    }
    CHECK(truth.sums().series.at("unparsed,any") == CounterValues{});
  }
}

TEST_CASE("T05 a reader that stops for longer than the ring says so; nothing is smeared") {
  const VethPair pair;
  Counters counters{points(pair, {"container", "--interval", "100us"})};
  UdpSender sender{pair, kWantedPort, 200};
  sender.send(100);
  ::poll(nullptr, 0, 100);
  counters.child().signal(SIGSTOP);
  for (int burst = 0; burst < 34; ++burst) {
    sender.send(10);
    ::poll(nullptr, 0, 100);  // 3.4 s: two rings
  }
  counters.child().signal(SIGCONT);
  ::poll(nullptr, 0, 100);
  const ExitStatus status = counters.end();
  CHECK(status.code == 3);
  CHECK(counters.errors().find(" 1 gaps") != std::string::npos);
  // The cumulative counters still have every packet.
  CHECK(counters.errors().find(fmt::format("TX {} bytes in {} packets",
                                           sender.sent() * (kHeaderBytes + 200), sender.sent())) !=
        std::string::npos);
  CHECK(sums_of(counters.file()).series.at(last_part(pair.left)).tx_packets < sender.sent());
}

TEST_CASE("T23 a UDP super-packet is one packet to the kernel and its segments on the wire") {
  const VethPair pair;
  Counters counters{points(pair, {"container"})};
  UdpSender sender{pair, kWantedPort, 1000};
  sender.send_super_packet(20);
  CHECK(counters.end().ok());
  const CounterValues left = sums_of(counters.file()).series.at(last_part(pair.left));
  CHECK(left.tx_wire_packets == 20);
  CHECK(left.tx_wire_bytes == 20 * (kHeaderBytes + 1000));
  CHECK(left.tx_packets == 1);
  CHECK(left.tx_bytes == kHeaderBytes + 20 * 1000);
}

TEST_CASE("T77 two ports, local and remote side, and the packets of neither") {
  const VethPair pair;
  Counters counters{points(pair, {"port", "-p", "9000", "-p", "9001"})};
  UdpSender wanted{pair, kWantedPort}, noise{pair, kNoisePort}, other{pair, 9002};
  wanted.send(7);
  noise.send(5);
  other.send(3);
  CHECK(counters.end().ok());
  const Sums sums = sums_of(counters.file());
  check_dense(sums, 10'000'000);
  CHECK(sums.series.at("9000,remote").tx_packets == 7);
  CHECK(sums.series.at("9000,local").rx_packets == 7);
  CHECK(sums.series.at("9000,local").tx_packets == 0);
  CHECK(sums.series.at("9001,remote").tx_packets == 5);
  CHECK(sums.series.at("9001,local").rx_packets == 5);
  CHECK(sums.series.at("unparsed,any").rx_packets == 0);
}

TEST_CASE("a port counts on the loopback device, too, as its total does") {
  const VethPair pair;
  for (const Argv& more : {Argv{}, Argv{"-i", "lo"}}) {
    Argv args{"port", "-p", "9000"};
    args.insert(args.end(), more.begin(), more.end());
    Counters counters{args, &pair.left};
    UdpSource source{pair.left};
    source.send("127.0.0.1", kWantedPort, 100, 20);
    CHECK(counters.end().ok());
    const Sums sums = sums_of(counters.file());
    CHECK(sums.series.at("9000,remote").tx_packets == 20);
    CHECK(sums.series.at("9000,local").rx_packets == 20);
  }
}

TEST_CASE("T76 the highest port counts as itself, and not as its neighbour") {
  const VethPair pair;
  Counters counters{points(pair, {"port", "-p", "65535", "-p", "65534"})};
  UdpSender highest{pair, 65535};
  highest.send(4);
  CHECK(counters.end().ok());
  const Sums sums = sums_of(counters.file());
  CHECK(sums.series.at("65535,remote").tx_packets == 4);
  CHECK(sums.series.at("65535,local").rx_packets == 4);
  CHECK(sums.series.at("65534,remote").tx_packets == 0);
  CHECK(sums.series.at("65534,local").rx_packets == 0);
}

TEST_CASE("T61 a namespace that nobody named counts from its first packet, under its number") {
  Counters counters{{"container"}};
  const VethPair pair;
  UdpSender sender{pair, kWantedPort};
  sender.send(9);
  ::poll(nullptr, 0, 100);
  (void)counters.end();
  const Sums sums = sums_of(counters.file());
  CHECK(sums.series.at(std::to_string(pair.right.inode())).rx_packets == 9);
  CHECK(sums.series.at(std::to_string(pair.left.inode())).tx_packets == 9);
}

TEST_CASE("T62 a namespace that is named twice is counted once, under its first name") {
  const VethPair pair;
  Counters counters{{"container", "--netns", path_of(pair.right), "--netns",
                     "/proc/self/../" + path_of(pair.right).substr(6), "-i", "eth0"}};
  UdpSender sender{pair, kWantedPort};
  sender.send(12);
  CHECK(counters.end().ok());
  const Sums sums = sums_of(counters.file());
  REQUIRE(sums.series.size() == 1);
  CHECK(sums.series.begin()->first == last_part(pair.right));
  CHECK(sums.series.begin()->second.rx_packets == 12);
}

TEST_CASE("T92 two counters at once are both exact") {
  const VethPair pair;
  Counters first{points(pair, {"container"})}, second{points(pair, {"total", "--interval", "1ms"})};
  UdpSender sender{pair, kWantedPort};
  sender.send(5000);
  CHECK(first.end().ok());
  CHECK(second.end(SIGTERM).ok());
  CHECK(sums_of(first.file()).series.at(last_part(pair.right)).rx_packets == 5000);
  const CounterValues total = sums_of(second.file()).series.at("");
  CHECK(total.rx_packets == 5000);
  CHECK(total.tx_packets == 5000);
}

TEST_CASE("T91 T94 no capability once it counts, and nothing left of it after SIGKILL") {
  const VethPair pair;
  const auto before = inventory();
  Counters counters{points(pair, {"total"})};
  const std::string status = read_value(fmt::format("/proc/{}/status", counters.child().pid()));
  CHECK(status.find("CapEff:\t0000000000000000") != std::string::npos);
  CHECK(status.find("CapPrm:\t0000000000000000") != std::string::npos);
  CHECK(added(before, inventory()) != std::vector<std::string>{});
  (void)counters.end(SIGKILL);
  CHECK(eventually([&] { return added(before, inventory()).empty(); }, 10s));
}

TEST_CASE("a reader that takes nothing does not disturb counting, one that goes away ends it") {
  const VethPair pair;
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  UniqueFd out{ends[0]}, in{ends[1]};
  const TemporaryFolder folder;
  const UniqueFd err = open_fd(folder.path() / "err", O_WRONLY | O_CREAT | O_APPEND);
  ChildOptions options;
  options.stdout_fd = in.get();
  options.stderr_fd = err.get();
  Child child{Argv{TL_PROGRAM, "counters", "total", "--interval", "1ms", "--format", "csv",
                   "--netns", path_of(pair.left), "-i", "eth0"},
              options};
  in = UniqueFd{};
  REQUIRE(eventually(
      [&] { return read_value(folder.path() / "err").find("armed") != std::string::npos; }, 10s));
  UdpSender sender{pair, kWantedPort};
  for (int i = 0; i < 30; ++i) {  // 3 s: more rows than a pipe holds
    sender.send(100);
    ::poll(nullptr, 0, 100);
  }
  child.signal(SIGINT);
  std::string text;
  for (char buffer[65536];;) {
    const ssize_t n = ::read(out.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  const auto status = child.wait(20s);
  REQUIRE(status.has_value());
  CHECK(status->ok());
  write_file_atomic(folder.path() / "rows.csv", text);
  const Sums sums = sums_of(folder.path() / "rows.csv");
  check_dense(sums, 1'000'000);
  CHECK(sums.series.at("").tx_packets == 3000);

  int gone[2];
  REQUIRE(::pipe2(gone, O_CLOEXEC) == 0);
  UniqueFd reader{gone[0]}, writer{gone[1]};
  options.stdout_fd = writer.get();
  Child closed{Argv{TL_PROGRAM, "counters", "total", "--netns", path_of(pair.left)}, options};
  writer = UniqueFd{};
  reader = UniqueFd{};
  const auto end = closed.wait(20s);
  REQUIRE(end.has_value());
  CHECK(end->ok());
}

TEST_CASE("the old layout: time since start, RX, TX, separator; and one JSON object a row") {
  const CommandResult text = run_trafficlab({"counters", "total", "--duration", "35ms"});
  std::istringstream lines{text.out};
  std::string time, rx, tx, separator;
  std::int64_t expected_ns = 0;
  while (std::getline(lines, time) && std::getline(lines, rx) && std::getline(lines, tx) &&
         std::getline(lines, separator)) {
    CHECK(time.starts_with(fmt::format("time {} ns", expected_ns)));
    CHECK(rx.starts_with("RX bytes "));
    CHECK(tx.starts_with("TX bytes "));
    CHECK(separator == "--------");
    expected_ns += 10'000'000;
  }
  CHECK(expected_ns >= 30'000'000);
  const CommandResult json =
      run_trafficlab({"counters", "port", "-p", "80", "--duration", "35ms", "--format", "jsonl"});
  std::istringstream objects{json.out};
  std::size_t rows = 0;
  for (std::string line; std::getline(objects, line); ++rows) {
    const nlohmann::json row = nlohmann::json::parse(line);
    CHECK(row.at("rx_bytes").is_number_unsigned());
    CHECK((row.at("port") == "80" || row.at("port") == "unparsed"));
  }
  CHECK(rows >= 9);
}

TEST_CASE("counters: what makes no sense is refused with 2, lacking rights with 4") {
  CHECK(run_trafficlab({"counters", "port"}).status.code == 2);
  CHECK(run_trafficlab({"counters", "total", "-p", "80"}).status.code == 2);
  CHECK(run_trafficlab({"counters", "--interval", "10us"}).status.code == 2);
  CHECK(run_trafficlab({"counters", "--interface", "no-such-device"}).status.code == 2);
  CHECK(run_trafficlab({"counters", "--netns", "/nowhere"}).status.code != 0);
  const CommandResult refused =
      run_command({"setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all",
                   "--inh-caps=-all", TL_PROGRAM, "counters", "total", "--duration", "10ms"},
                  20s);
  CHECK(refused.status.code == 4);
  CHECK(refused.err.find("CAP_BPF") != std::string::npos);
}
}  // namespace tl::counters_test
