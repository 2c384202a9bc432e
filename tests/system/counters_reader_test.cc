// Who reads the counters, when and from where makes no difference to what they say.
#include <doctest/doctest.h>
#include <sched.h>

#include <thread>

#include "support/busy_cpus.hh"
#include "support/counters_process.hh"
#include "support/counting.hh"
#include "support/processes.hh"

namespace tl::counters_reader_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

CounterLayout interval_of(std::int64_t interval_ns) {
  CounterLayout layout = Counting::only_points();
  layout.interval_ns = interval_ns;
  return layout;
}

// Every thread of a process runs on `cpu` alone, and only when nobody else wants it.
void make_idle_on(pid_t pid, unsigned cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  const sched_param none{};
  for (const auto& task :
       std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/task"}) {
    const pid_t thread = std::stoi(task.path().filename());
    REQUIRE(::sched_setaffinity(thread, sizeof only, &only) == 0);
    REQUIRE(::sched_setscheduler(thread, SCHED_IDLE, &none) == 0);
  }
}

// Follows the counters from memory alone, as a second process that maps it would.
std::vector<Bucket> follow(CounterSession& session, std::uint64_t last_epoch) {
  const CounterKernel& kernel = session.kernel();
  const CounterGrid& grid = session.grid();
  BucketReader reader{kernel.layout(), kernel.cpus(), kernel.memory(Hook::rx),
                      kernel.memory(Hook::tx), session.first_epoch()};
  std::vector<Bucket> buckets;
  while (reader.next_epoch() <= last_epoch) {
    const std::uint64_t current = grid.epoch_at(monotonic_ns() - 1'000'000);
    if (current <= reader.next_epoch()) {
      std::this_thread::yield();
      continue;
    }
    wait_for_grace_period();
    reader.read_through(
        std::min(current - 1, last_epoch), [&] { return grid.epoch_at(monotonic_ns()); },
        [&](const Bucket& bucket) { buckets.push_back(bucket); });
  }
  return buckets;
}

}  // namespace

TEST_CASE("T07 a bucket never changes once it was read, with busy CPUs and a reader in a loop") {
  const VethPair pair;
  Counting counting{{{"left", &pair.left}, {"right", &pair.right}}, interval_of(100'000)};
  UdpSender sender{pair, kWantedPort};
  {
    const BusyCpus load;
    sender.flood();
    while (counting.read_again() < 20'000) counting.drain();
    sender.stop();
  }
  const Counted counted = counting.finish();
  CHECK(counting.late() == 0);
  CHECK(counted.devices.at("left,eth0").tx_packets == sender.sent());
}

TEST_CASE("T07 a bucket that did change after it was read is found") {
  const VethPair pair;
  CounterLayout layout = interval_of(1'000'000);
  layout.slots = 2048;  // the second packet has half a second to come before the second reading
  layout.mock_clock = true;
  Counting counting{{{"left", &pair.left}}, layout};
  CounterSession& session = counting.session();
  const std::uint64_t bucket = session.first_epoch() + 5;
  session.kernel().set_mock_time(static_cast<std::uint64_t>(
      session.grid().base_mono_ns + static_cast<std::int64_t>(bucket) * 1'000'000));
  UdpSender sender{pair, kWantedPort};
  sender.send(1);
  while (session.end_epoch() <= bucket) counting.drain();
  CHECK(counting.late() == 0);
  sender.send(1);  // the clock that is set still says the same
  while (session.end_epoch() <= bucket + layout.slots / 2 + 1) counting.drain();
  CHECK(counting.late() == 1);
}

TEST_CASE("T08 a reader that gets only what a busy CPU leaves over is exact") {
  const VethPair pair;
  Counters counters{points(pair, {"container"})};
  UdpSender sender{pair, kWantedPort, 200};
  {
    const BusyCpus load;
    make_idle_on(counters.child().pid(), 0);
    const OnCpu same{0};
    for (int burst = 0; burst < 40; ++burst) {
      sender.send(100);
      std::this_thread::sleep_for(50ms);
    }
  }
  CHECK(counters.end().ok());
  const Sums sums = sums_of(counters.file());
  check_dense(sums, 10'000'000);
  const std::uint64_t bytes = sender.sent() * (kHeaderBytes + 200);
  CHECK(sender.sent() == 4000);
  CHECK(sums.series.at(last_part(pair.left)).tx_packets == sender.sent());
  CHECK(sums.series.at(last_part(pair.left)).tx_bytes == bytes);
  CHECK(sums.series.at(last_part(pair.right)).rx_packets == sender.sent());
  CHECK(sums.series.at(last_part(pair.right)).rx_bytes == bytes);
}

TEST_CASE("a ring that holds little time is read so much more often") {
  const auto step_of = [](std::int64_t interval_ns, std::uint32_t slots) {
    CounterLayout layout = interval_of(interval_ns);
    layout.slots = slots;
    return CounterSession{layout}.drain_step();
  };
  CHECK(step_of(10'000'000, 512) == 50ms);
  CHECK(step_of(100'000, 16'384) == 50ms);
  CHECK(step_of(100'000, 1024) == 12'800us);
}

TEST_CASE("T09 two readers at different times of one memory hand on the same buckets") {
  const VethPair pair;
  Counting counting{{{"left", &pair.left}, {"right", &pair.right}}, interval_of(1'000'000)};
  CounterSession& session = counting.session();
  UdpSender sender{pair, kWantedPort};
  const std::uint64_t last = session.first_epoch() + 1000;
  sender.flood(100'000);
  std::vector<Bucket> one, other;
  {
    const std::jthread first{[&] { one = follow(session, last); }};
    const std::jthread second{[&] { other = follow(session, last); }};
  }
  sender.stop();
  REQUIRE(one.size() == 1001);
  REQUIRE(other.size() == 1001);
  std::uint64_t packets = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    CHECK(one[i].epoch == other[i].epoch);
    CHECK(one[i].series == other[i].series);
    packets += one[i].series.at(counting.series("left", "eth0")).tx_packets;
  }
  CHECK(packets > 0);
  // The product's own reader, later than both.
  const Counted counted = counting.finish();
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(counted.buckets.at(i).series == one[i].series);
}
}  // namespace tl::counters_reader_test
