// Test 15 of the telemetry reference: the CSV contract.
#include "pace/cost_row.hh"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cstdlib>
#include <ctime>

#include "base/fd.hh"
#include "live/csv.hh"
#include "pace/sample_log.hh"
#include "support/temporary.hh"

namespace tl::pace_cost_row_test {
using namespace tl::pace;
using namespace tl::test;

namespace {

// 2026-11-21 09:15:00 UTC; 450 bytes in 9 ms are 0.4 Mbit/s.
CostRow example_row() {
  CostRow row;
  row.time_ns = 1'795'252'500'123'456'789;
  row.metric = "up";
  row.cost = {150, 120, 180, 9'000'000};
  return row;
}

class TimeZone {
 public:
  explicit TimeZone(const char* name) { set(name); }
  ~TimeZone() { set("UTC"); }
  TimeZone(const TimeZone&) = delete;
  TimeZone& operator=(const TimeZone&) = delete;

 private:
  static void set(const char* name) {
    ::setenv("TZ", name, 1);
    ::tzset();
  }
};

}  // namespace

TEST_CASE("15 the header is exactly the four columns") {
  CHECK(cost_header({}) == "Timestamp,Metric,Bandwidth (Mbps),Data Size (KB)\r\n");
}

TEST_CASE("15 bandwidth is 10^6 bit/s of all bytes over the exchange, sizes are 1024 bytes") {
  CHECK(cost_line(example_row(), {TimeStyle::utc, false}) ==
        "2026-11-21 09:15:00,up,0.400000,0.439453\r\n");
}

TEST_CASE("15 expressions with commas and quotes are quoted") {
  CostRow row = example_row();
  row.metric = R"(sum by (a, b) (rate(x{c="d"}[1m])))";
  CHECK(cost_line(row, {TimeStyle::utc, false}) ==
        "2026-11-21 09:15:00,\"sum by (a, b) (rate(x{c=\"\"d\"\"}[1m]))\",0.400000,0.439453\r\n");
}

TEST_CASE("15 times are local unless UTC or ISO is asked for") {
  const TimeZone zone{"Europe/Berlin"};
  CHECK(cost_line(example_row(), {TimeStyle::local, false}).starts_with("2026-11-21 10:15:00,"));
  CHECK(cost_line(example_row(), {TimeStyle::utc, false}).starts_with("2026-11-21 09:15:00,"));
  CHECK(cost_line(example_row(), {TimeStyle::iso, false})
            .starts_with("2026-11-21T09:15:00.123456789Z,"));
}

TEST_CASE("15 a poll without an answer has no bandwidth, and its bytes all the same") {
  CostRow row = example_row();
  row.error = "Connection refused";
  CHECK(cost_line(row, {TimeStyle::utc, false}) == "2026-11-21 09:15:00,up,,0.439453\r\n");
}

TEST_CASE("15 further columns stand behind the four, and only when asked for") {
  CostRow row = example_row();
  row.interval_ns = 15'000'000'000;
  row.samples = 2;
  row.changes = 1;
  row.staleness_ns = 250'000'000;
  row.mode = "locked";
  CHECK(cost_header({TimeStyle::utc, true})
            .starts_with("Timestamp,Metric,Bandwidth (Mbps),Data Size (KB),Request (B),"));
  CHECK(
      cost_line(row, {TimeStyle::utc, true}) ==
      "2026-11-21 09:15:00,up,0.400000,0.439453,150,120,180,0.009000,15.000,2,1,0.250,locked,\r\n");
}

TEST_CASE("15 appending to a log writes no second header") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "pace.csv";
  for (int run = 0; run < 2; ++run)
    live::CsvFile{path, cost_header({})}.append(cost_line(example_row(), {TimeStyle::utc, false}));
  CHECK(read_file(path) == cost_header({}) + cost_line(example_row(), {TimeStyle::utc, false}) +
                               cost_line(example_row(), {TimeStyle::utc, false}));
}

TEST_CASE("13 the log of samples knows where it ended, and drops half a line") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "samples.csv";
  const std::string series = R"(up{instance="a,b"})";
  SampleLog{path}.append({series, {{1'000'000'000, "1"}, {2'000'000'000, "0"}}});
  {
    const UniqueFd file = open_fd(path, O_WRONLY | O_APPEND);
    write_all(file.get(), "3000,\"up{inst", "samples");
  }
  SampleLog again{path};
  CHECK(again.known().at(series) == 2'000'000'000);
  again.append({series, {{3'000'000'000, "1"}}});
  CHECK(read_file(path) ==
        "Time (ms),Series,Value\r\n"
        "1000,\"up{instance=\"\"a,b\"\"}\",1\r\n"
        "2000,\"up{instance=\"\"a,b\"\"}\",0\r\n"
        "3000,\"up{instance=\"\"a,b\"\"}\",1\r\n");
}
}  // namespace tl::pace_cost_row_test
