// The wall clock while counting: set, slewed, crossing edges of the calendar, and in a time
// namespace. The machine's own clock is everybody's, so a session is given one that steps.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <csignal>
#include <cstdlib>

#include "base/clock.hh"
#include "base/errors.hh"
#include "support/counters_process.hh"
#include "support/counting.hh"
#include "support/docker_daemon.hh"
#include "support/processes.hh"

namespace tl::counters_clock_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kMillisecond = 1'000'000, kSecond = 1'000'000'000;
constexpr std::int64_t kHour = 3600 * kSecond;
constexpr std::int64_t kReadingNs = 200'000;  // two readings of both clocks, on a busy machine

// What the wall clock shows more than it does, by the monotonic clock.
using Shift = std::function<std::int64_t(std::int64_t mono_ns)>;

// Counts one end of a pair by a wall clock of the test's own.
class ClockedCounting {
 public:
  ClockedCounting(const VethPair& pair, std::int64_t interval_ns, const Shift& shift)
      : point_{open_point("left", pair.left.duplicate())},
        session_{layout_of(interval_ns), [shift] {
                   ClockPair now = read_clock_pair();
                   now.real_ns += shift(now.mono_ns);
                   return now;
                 }} {
    name_devices(point_, session_.kernel(), LoopbackPorts::ignored);
    session_.start();
  }

  [[nodiscard]] const CounterSession& session() const { return session_; }
  // Sends a packet about every 10 ms, and reads, for so long.
  void send_for(UdpSender& sender, std::chrono::milliseconds time) {
    for (const Deadline end{time}; !end.passed(); ::poll(nullptr, 0, 10)) {
      sender.send(1);
      session_.drain([this](const Bucket& bucket) { buckets_.push_back(bucket); });
    }
  }
  // The begin of each bucket. Fails the test unless they are dense and have every packet sent.
  std::vector<std::int64_t> finish(const UdpSender& sender) {
    session_.stop([this](const Bucket& bucket) { buckets_.push_back(bucket); });
    std::vector<std::int64_t> times;
    CounterValues sum;
    for (const Bucket& bucket : buckets_) {
      CHECK(bucket.epoch == buckets_.front().epoch + times.size());
      times.push_back(session_.grid().time_of(bucket.epoch));
      for (const CounterValues& values : bucket.series) sum += values;
    }
    CHECK(sum.tx_packets == sender.sent());
    return times;
  }

 private:
  static CounterLayout layout_of(std::int64_t interval_ns) {
    CounterLayout layout = Counting::only_points();
    layout.interval_ns = interval_ns;
    return layout;
  }
  CounterPoint point_;
  CounterSession session_;
  std::vector<Bucket> buckets_;
};

}  // namespace

TEST_CASE(
    "T80 the clock is set by an hour while counting: no bucket breaks, the step is recorded") {
  for (const std::int64_t step_ns : {kHour, -kHour}) {
    CAPTURE(step_ns);
    const VethPair pair;
    UdpSender sender{pair, kWantedPort};
    std::int64_t shift_ns = 0;
    ClockedCounting counting{pair, 10 * kMillisecond, [&](std::int64_t) { return shift_ns; }};
    counting.send_for(sender, 100ms);
    const std::int64_t before_ns = monotonic_ns();
    shift_ns = step_ns;
    counting.send_for(sender, 1200ms);  // the clocks are compared once a second
    const std::vector<std::int64_t> times = counting.finish(sender);
    // All edges are of the clock that was there first: about 1.3 s of them.
    CHECK(std::abs(times.back() - realtime_ns()) < kHour / 2);
    CHECK(times.back() - times.front() ==
          static_cast<std::int64_t>(times.size() - 1) * 10 * kMillisecond);
    const nlohmann::json steps = counting.session().account().at("clock").at("steps");
    REQUIRE(steps.size() == 1);
    CHECK(std::abs(steps[0].at("change_ns").get<std::int64_t>() - step_ns) < kReadingNs);
    CHECK(steps[0].at("monotonic_ns").get<std::int64_t>() >= before_ns);
  }
}

TEST_CASE("T81 a clock slewed by 500 ppm is no step; recorded offsets follow it, late ones too") {
  const VethPair pair;
  UdpSender sender{pair, kWantedPort};
  const std::int64_t begin_ns = monotonic_ns();
  const std::int64_t apart_ns = read_clock_pair().offset_ns();
  const auto slew = [&](std::int64_t mono_ns) { return (mono_ns - begin_ns) / 2000; };
  ClockedCounting counting{pair, 100 * kMillisecond, slew};
  counting.send_for(sender, 2200ms);
  ::poll(nullptr, 0, 3000);  // a reader that has no time to look
  counting.send_for(sender, 100ms);
  (void)counting.finish(sender);
  const nlohmann::json clock = counting.session().account().at("clock");
  CHECK(clock.at("steps").empty());
  // What a capture's stamps are put beside the buckets with: right at each record, and between two
  // of them off by what the clock was slewed since.
  const nlohmann::json& offsets = clock.at("offsets");
  CHECK(offsets.size() >= 4);
  for (const nlohmann::json& record : offsets) {
    const auto mono_ns = record.at("monotonic_ns").get<std::int64_t>();
    const auto offset_ns = record.at("offset_ns").get<std::int64_t>();
    CHECK(std::abs(offset_ns - apart_ns - slew(mono_ns)) < kReadingNs);
  }
}

TEST_CASE("T84 counters in a time namespace: the same counts, rows in everybody's time") {
  const VethPair pair;
  const TemporaryFolder folder;
  const UniqueFd err = open_fd(folder.path() / "err", O_WRONLY | O_CREAT | O_APPEND);
  ChildOptions options;
  options.stderr_fd = err.get();
  const std::int64_t before_ns = realtime_ns();
  Argv argv{"unshare", "--time", "--monotonic", "100000",  "--boottime",
            "100000",  "--fork", TL_PROGRAM,    "counters"};
  const Argv args = points(
      pair, {"container", "--format", "csv", "--output", (folder.path() / "rows.csv").native()});
  argv.insert(argv.end(), args.begin(), args.end());
  Child child{argv, options};
  REQUIRE(eventually(
      [&] { return read_value(folder.path() / "err").find("armed") != std::string::npos; }, 10s));
  UdpSender sender{pair, kWantedPort};
  sender.send(500);
  const std::vector<pid_t> inside = descendants(child.pid(), "counters");
  REQUIRE(inside.size() == 1);
  CHECK(read_value("/proc/" + std::to_string(inside[0]) + "/timens_offsets").find("100000") !=
        std::string::npos);
  ::kill(inside[0], SIGINT);
  const auto status = child.wait(20s);
  REQUIRE(status.has_value());
  CHECK_MESSAGE(status->ok(), read_value(folder.path() / "err"));
  const Sums sums = sums_of(folder.path() / "rows.csv");
  CHECK(sums.series.at(last_part(pair.left)).tx_packets == 500);
  CHECK(sums.series.at(last_part(pair.right)).rx_packets == 500);
  for (const std::int64_t time_ns : sums.times_ns.at(last_part(pair.left))) {
    CHECK(time_ns >= before_ns - 10 * kMillisecond);
    CHECK(time_ns <= realtime_ns());
  }
}

TEST_CASE("T85 counting across the second, the minute and the end of summer time") {
  // 2026-10-25T01:00:00Z, when Europe's clocks go from 03:00 back to 02:00.
  constexpr std::int64_t kWinter = 1'792'890'000 * kSecond;
  REQUIRE(utc_iso(kWinter).starts_with("2026-10-25T01:00:00"));
  const ScopedVariable zone{"TZ", "Europe/Berlin"};
  ::tzset();
  const VethPair pair;
  UdpSender sender{pair, kWantedPort};
  const std::int64_t shift_ns = kWinter - 2 * kSecond - realtime_ns();
  ClockedCounting counting{pair, 10 * kMillisecond, [&](std::int64_t) { return shift_ns; }};
  while (realtime_ns() + shift_ns < kWinter + kSecond / 10) counting.send_for(sender, 50ms);
  const std::vector<std::int64_t> times = counting.finish(sender);
  CHECK(std::find(times.begin(), times.end(), kWinter - 10 * kMillisecond) != times.end());
  CHECK(std::find(times.begin(), times.end(), kWinter) != times.end());
  for (const std::int64_t time_ns : times) CHECK(time_ns % (10 * kMillisecond) == 0);
  CHECK(counting.session().account().at("clock").at("steps").empty());
}

TEST_CASE("T85 the difference to atomic time is told in whole seconds: 0 and 37") {
  for (const std::int64_t apart : {0, 37}) {
    ClockReading reading = read_clocks();
    for (const std::int64_t later_ns : {0, 1, 400'000'000}) {  // read a little after the others
      reading.tai_ns = reading.pair.real_ns + apart * kSecond + later_ns;
      CHECK(tai_offset_ns(reading) == apart * kSecond);
    }
  }
  const ClockReading now = read_clocks();
  CHECK(tai_offset_ns(now) % kSecond == 0);
}
}  // namespace tl::counters_clock_test
