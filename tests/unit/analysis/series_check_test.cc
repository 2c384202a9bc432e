#include "analysis/series_check.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "base/fd.hh"
#include "support/temporary.hh"

namespace tl::analysis_series_check_test {
namespace {

constexpr const char* kHeader =
    "time_ns,container,rx_bytes,rx_packets,tx_bytes,tx_packets,rx_wire_bytes,rx_wire_packets,tx_"
    "wire_bytes,tx_wire_packets\n";

SeriesCheck check_text(const std::string& rows) {
  const test::TemporaryFolder folder;
  write_file_atomic(folder.path() / "container.csv", kHeader + rows);
  return check_series(folder.path() / "container.csv", 10);
}

}  // namespace

TEST_CASE("a dense stream has no problems and sums per series") {
  const SeriesCheck c = check_text(
      "100,a,1,1,2,1,1,1,2,1\n100,b,0,0,0,0,0,0,0,0\n110,a,3,1,4,1,3,1,4,1\n110,b,5,1,0,0,5,1,0,"
      "0\n");
  CHECK(c.problems.empty());
  CHECK(c.series.at("a").sum.rx_bytes == 4);
  CHECK(c.series.at("a").sum.tx_wire_bytes == 6);
  CHECK(c.series.at("b").rows == 2);
}

TEST_CASE("a missing bucket, a repeated row and unequal series are each named") {
  CHECK(check_text("100,a,1,1,1,1,1,1,1,1\n120,a,1,1,1,1,1,1,1,1\n").problems.at(0) ==
        "container.csv: series 'a' misses 1 buckets and has 0 misplaced rows");
  CHECK(check_text("100,a,1,1,1,1,1,1,1,1\n100,a,1,1,1,1,1,1,1,1\n").problems.at(0) ==
        "container.csv: series 'a' misses 0 buckets and has 1 misplaced rows");
  CHECK(check_text("100,a,1,1,1,1,1,1,1,1\n110,a,1,1,1,1,1,1,1,1\n110,b,1,1,1,1,1,1,1,1\n")
            .problems.at(0) ==
        "container.csv: series 'b' does not cover the same buckets as the first series");
  CHECK(check_text("").problems.at(0) == "container.csv holds no rows");
}

TEST_CASE("a line that is no row is refused with file and line") {
  CHECK_THROWS_AS(check_text("100,a,1,1,1,1,1,1,1\n"), MeasurementError);
  CHECK_THROWS_AS(check_text("100,a,1,1,1,1,1,1,1,x\n"), MeasurementError);
  CHECK_THROWS_AS(check_text("x,a,1,1,1,1,1,1,1,1\n"), MeasurementError);
}
}  // namespace tl::analysis_series_check_test
