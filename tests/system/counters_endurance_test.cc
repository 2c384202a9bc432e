// The counters for a long time under load: nothing missing, nothing twice, nothing late. Twice at
// once: as the program that people run, and inside this process, where each bucket is read again.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>

#include <cerrno>

#include "base/fd.hh"
#include "support/busy_cpus.hh"
#include "support/counters_process.hh"
#include "support/counting.hh"
#include "support/processes.hh"

namespace tl::counters_endurance_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

Child start_in(const NetNs& netns, const Argv& argv, int output) {
  ChildOptions options;
  options.stdout_fd = output;
  options.prepare = [fd = netns.fd()] { return ::setns(fd, CLONE_NEWNET) == 0 ? 0 : errno; };
  return Child{argv, options};
}

// Four TCP streams from left to right, as fast as they go.
class FourStreams {
 public:
  FourStreams(const VethPair& pair, std::chrono::seconds duration)
      : log_{open_fd(folder_.path() / "log", O_WRONLY | O_CREAT | O_APPEND)},
        server_{start_in(pair.right, {"iperf3", "-s", "-1", "--forceflush"}, log_.get())} {
    REQUIRE(eventually([&] { return log().find("listening") != std::string::npos; }, 10s));
    client_.emplace(
        start_in(pair.left,
                 {"iperf3", "-c", "198.18.0.2", "-P", "4", "-t", std::to_string(duration.count())},
                 log_.get()));
  }
  [[nodiscard]] bool has_ended() { return client_->poll_status().has_value(); }
  void finish() {
    const auto client = client_->wait(30s), server = server_.wait(30s);
    REQUIRE(client.has_value());
    REQUIRE(server.has_value());
    CHECK(client->ok());
    CHECK(server->ok());
  }

 private:
  [[nodiscard]] std::string log() const { return read_value(folder_.path() / "log"); }
  TemporaryFolder folder_;
  UniqueFd log_;
  Child server_;
  std::optional<Child> client_;
};

// What the driver took equals what the device counted, of packets that go and that come.
void check_device(const CounterValues& counted, const CounterValues& refused,
                  const LinkStatistics& device) {
  CHECK(counted.tx_packets - refused.tx_packets == device.tx_packets);
  CHECK(counted.tx_bytes - refused.tx_bytes == device.tx_bytes);
  CHECK(counted.rx_packets == device.rx_packets);
  CHECK(counted.rx_bytes == device.rx_bytes);
}

void check_endurance(std::chrono::nanoseconds interval, const std::string& text,
                     std::chrono::seconds duration) {
  const VethPair pair;
  CounterLayout layout = Counting::only_points();
  layout.interval_ns = interval.count();
  layout.slots = 1U << 16;  // this process does not drain while it starts others
  Counting counting{{{"left", &pair.left}, {"right", &pair.right}}, layout};
  Counters counters{points(pair, {"container", "--interval", text})};
  {
    const BusyCpus load;
    FourStreams streams{pair, duration};
    while (!streams.has_ended()) {
      counting.drain();
      std::this_thread::sleep_for(20ms);
    }
    streams.finish();
  }
  REQUIRE(wait_quiet(counting.points(), 200ms, 10s).size() > 0);
  CHECK(counters.end().ok());  // no gap, no missed event, no row that was not written
  Counted counted = counting.finish();
  const auto least_rows = static_cast<std::size_t>(duration / interval);
  CHECK(counted.buckets.size() > least_rows);
  CHECK(counting.read_again() > least_rows / 2);  // before their memory was used again
  CHECK(counting.late() == 0);

  const Sums sums = sums_of(counters.file());
  check_dense(sums, interval.count());
  for (const auto& [name, netns] : {std::pair{"left", &pair.left}, {"right", &pair.right}}) {
    CAPTURE(std::string{name});
    const std::string device = std::string{name} + ",eth0";
    CHECK(sums.times_ns.at(last_part(*netns)).size() > least_rows);
    CHECK(sums.series.at(last_part(*netns)) == counted.devices.at(device));
    check_device(counted.devices.at(device), counted.failed[device], statistics(*netns, "eth0"));
  }
  // What the program says of its cumulative counts, which it does not make from rows.
  CounterValues all = sums.series.at(last_part(pair.left));
  all += sums.series.at(last_part(pair.right));
  CHECK(counters.errors().find(fmt::format("RX {} bytes in {} packets, TX {} bytes in {} packets",
                                           all.rx_bytes, all.rx_packets, all.tx_bytes,
                                           all.tx_packets)) != std::string::npos);
}

}  // namespace

TEST_CASE("endurance: 60 s at 10 ms under four TCP streams and busy CPUs") {
  check_endurance(10ms, "10ms", 60s);
}

TEST_CASE("endurance: 10 s at 100 us under four TCP streams and busy CPUs") {
  check_endurance(100us, "100us", 10s);
}
}  // namespace tl::counters_endurance_test
