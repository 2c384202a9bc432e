// Test 3 of the telemetry reference where it matters most: the database goes away, the writer is
// killed with points on their way, both come back.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <set>
#include <thread>

#include "base/errors.hh"
#include "live/influx_writer.hh"
#include "support/databases.hh"
#include "support/processes.hh"

namespace tl::influx_outage_test {
using namespace tl::live;
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kStart_ns = 1'700'000'000'000'000'000;

InfluxTarget target_of(const InfluxDatabase& database) {
  InfluxTarget target;
  target.url = database.url();
  target.version = InfluxVersion::v1;
  target.database = "lab";
  return target;
}

WriterLimits limits() {
  WriterLimits result;
  result.points_per_request = 50;  // so that a kill meets a backlog half delivered
  result.flush_after = 5ms;
  result.first_backoff = 5ms;
  result.longest_backoff = 50ms;
  return result;
}

// A process that accepts one point every millisecond into a spool and tells the number of the
// latest accepted one.
class WriterProcess {
 public:
  WriterProcess(const InfluxDatabase& database, const std::filesystem::path& spool,
                std::int64_t first) {
    auto [read_end, write_end] = make_pipe();
    (void)std::fflush(stdout);  // or the child prints it once more
    pid_ = ::fork();
    if (pid_ < 0) throw_errno("fork", "writer");
    if (pid_ == 0) {
      write_points(target_of(database), spool, first, write_end.get());
      ::_exit(1);
    }
    numbers_ = std::move(read_end);
  }
  ~WriterProcess() { kill(); }
  WriterProcess(const WriterProcess&) = delete;
  WriterProcess& operator=(const WriterProcess&) = delete;

  // The number of the latest accepted point, after at least `count` more have been.
  std::int64_t wait_for(int count) {
    for (int i = 0; i < count; ++i)
      if (!next_number()) FAIL("the writer has ended");
    return latest_;
  }
  // SIGKILL; then the number of the last point that was accepted for certain.
  std::int64_t kill() {
    if (pid_ <= 0) return latest_;
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    while (next_number()) {
    }
    return latest_;
  }

 private:
  [[noreturn]] static void write_points(const InfluxTarget& target,
                                        const std::filesystem::path& spool, std::int64_t first,
                                        int report_fd) {
    InfluxSink sink{target, limits(), disk_queue(spool, 64 << 20)};
    for (std::int64_t i = first;; ++i) {
      sink.accept({{"m", {}, {{"f", i}}, kStart_ns + i}});
      if (::write(report_fd, &i, sizeof i) != sizeof i) ::_exit(0);
      std::this_thread::sleep_for(1ms);  // the pace of the load, not a wait
    }
  }
  bool next_number() { return ::read(numbers_.get(), &latest_, sizeof latest_) == sizeof latest_; }
  pid_t pid_ = -1;
  UniqueFd numbers_;
  std::int64_t latest_ = 0;
};

}  // namespace

TEST_CASE(
    "3 through an outage and three SIGKILLs every accepted point is stored once, in its time") {
  InfluxDatabase database;
  const TemporaryFolder spool;
  std::int64_t accepted = 0;
  {
    WriterProcess writer{database, spool.path(), 1};
    (void)writer.wait_for(200);
    database.stop();  // with requests on their way
    (void)writer.wait_for(200);
    accepted = writer.kill();
  }
  {
    WriterProcess writer{database, spool.path(), accepted + 1};  // the database is still down
    (void)writer.wait_for(200);
    accepted = writer.kill();
  }
  database.start();
  {
    WriterProcess writer{database, spool.path(), accepted + 1};  // delivers the backlog meanwhile
    (void)writer.wait_for(50);
    accepted = writer.kill();
  }
  InfluxSink last{target_of(database), limits(), disk_queue(spool.path(), 64 << 20)};
  last.stop(20s);
  CHECK(last.counters().waiting == 0);
  CHECK(last.counters().dropped == 0);

  const nlohmann::json rows = database.rows("SELECT f FROM m");
  std::multiset<std::int64_t> stored;
  for (const auto& row : rows) {
    stored.insert(row[1].get<std::int64_t>());
    CHECK(row[0].get<std::int64_t>() == kStart_ns + row[1].get<std::int64_t>());
  }
  for (std::int64_t i = 1; i <= accepted; ++i) CHECK_MESSAGE(stored.count(i) == 1, i);
  // A kill between the spool's sync and the report leaves at most one point more, the next number.
  CHECK(stored.size() <= static_cast<std::size_t>(accepted) + 1);
  CHECK(accepted >= 650);
}
}  // namespace tl::influx_outage_test
