// Test 3 of the telemetry reference: points that never arrive are lost or kept, and said to be.
#include "live/qos_sinks.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "support/temporary.hh"

namespace tl::live_qos_sinks_test {
using namespace tl::live;
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

QosConfig without_database() {
  QosConfig config;
  InfluxSettings& influx = config.influx.emplace();
  influx.target.url = "http://127.0.0.1:1";  // nobody listens there
  influx.target.version = InfluxVersion::v1;
  influx.target.database = "lab";
  influx.limits.flush_after = 1ms;
  return config;
}

void take_two_rows(QosSinks& sinks) {
  for (const std::int64_t time_ns : {1, 2}) sinks.take(ping_row("lab", time_ns, PingResult{}));
}

}  // namespace

TEST_CASE("3 without a spool, points that were not delivered are lost, which is a failure") {
  QosSinks sinks{without_database(), RowText::none};
  take_two_rows(sinks);
  CHECK_THROWS_WITH_AS((void)sinks.stop(200ms),
                       doctest::Contains("write to http://127.0.0.1:1: 2 points lost: 0 points "
                                         "written, 0 rejected, 0 dropped, 2 waiting (last error: "),
                       MachineError);
}

TEST_CASE("3 points that wait in a spool are not lost") {
  const TemporaryFolder folder;
  QosConfig config = without_database();
  config.influx->spool = folder.path() / "spool";
  QosSinks sinks{config, RowText::none};
  take_two_rows(sinks);
  const auto account = sinks.stop(200ms);
  REQUIRE(account);
  CHECK(account->starts_with("influx: 0 points written, 0 rejected, 0 dropped, 2 waiting"));
}

TEST_CASE("3 points that can never be delivered are lost in spite of a spool") {
  const TemporaryFolder folder;
  QosConfig config = without_database();
  config.influx->spool = folder.path() / "spool";
  QosSinks sinks{config, RowText::none};
  QosRow empty;  // no field: the line protocol has no form for it
  sinks.take(empty);
  CHECK_THROWS_WITH_AS((void)sinks.stop(0ms), doctest::Contains("1 points lost: "), MachineError);
}

TEST_CASE("3 without a database there is nothing to account for") {
  QosSinks sinks{QosConfig{}, RowText::none};
  take_two_rows(sinks);
  CHECK_FALSE(sinks.stop(0ms));
}
}  // namespace tl::live_qos_sinks_test
