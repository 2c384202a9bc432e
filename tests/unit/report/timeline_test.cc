#include "analysis/timeline.hh"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include "analysis/rate_statistics.hh"
#include "analysis/stalls.hh"
#include "report/packed_counts.hh"
#include "report/slow_windows.hh"
#include "support/temporary.hh"

namespace tl::report_timeline_test {
namespace {

constexpr const char* kHeader =
    "time_ns,container,rx_bytes,rx_packets,tx_bytes,tx_packets,rx_wire_bytes,rx_wire_packets,"
    "tx_wire_bytes,tx_wire_packets\n";

Timeline timeline_of(const std::string& rows) {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "container.csv";
  std::ofstream{file} << kHeader << rows;
  return read_timeline(file);
}

// Undoes pack_counts by its header's text alone.
std::vector<std::uint64_t> unpack(const std::string& text) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned have = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(alphabet.find(c));
    have += 6;
    if (have < 8) continue;
    have -= 8;
    bytes.push_back(static_cast<char>(bits >> have & 0xff));
  }
  std::vector<std::uint64_t> counts;
  std::int64_t value = 0;
  std::uint64_t varint = 0;
  unsigned shift = 0;
  for (const char c : bytes) {
    varint |= (static_cast<std::uint64_t>(c) & 0x7f) << shift;
    shift += 7;
    if ((static_cast<unsigned char>(c) & 0x80) != 0) continue;
    value += static_cast<std::int64_t>(varint >> 1) ^ -static_cast<std::int64_t>(varint & 1);
    counts.push_back(static_cast<std::uint64_t>(value));
    varint = 0;
    shift = 0;
  }
  return counts;
}

}  // namespace

TEST_CASE("a counter stream becomes columns on one grid") {
  const Timeline t = timeline_of(
      "1000,a,1,2,3,4,5,6,7,8\n1000,b,0,0,0,0,0,0,0,0\n"
      "1010,a,11,12,13,14,15,16,17,18\n1010,b,9,0,0,0,0,0,0,0\n");
  CHECK(t.missing == "");
  CHECK(t.first_ns == 1000);
  CHECK(t.interval_ns == 10);
  CHECK(t.buckets == 2);
  REQUIRE(t.series.size() == 2);
  CHECK(t.series[0][Column::tx_wire_packets] == std::vector<std::uint64_t>{8, 18});
  CHECK(t.series[1][Column::rx_bytes] == std::vector<std::uint64_t>{0, 9});
}

TEST_CASE("a counter stream with a hole is refused, not filled with zeros") {
  const Timeline t =
      timeline_of("1000,a,1,1,1,1,1,1,1,1\n1010,a,1,1,1,1,1,1,1,1\n1030,a,1,1,1,1,1,1,1,1\n");
  CHECK(t.series.empty());
  CHECK(t.missing == "container.csv: the buckets of a are not evenly spaced at 1030 ns");
}

TEST_CASE("a series that ends early, a damaged row and a missing file are named") {
  CHECK(timeline_of("0,a,1,1,1,1,1,1,1,1\n0,b,1,1,1,1,1,1,1,1\n10,a,1,1,1,1,1,1,1,1\n").missing ==
        "container.csv: b has not as many buckets as a");
  CHECK(timeline_of("0,a,1,1,1\n").missing.ends_with(":2: not a row of counters"));
  CHECK(timeline_of("").missing == "container.csv: there are no buckets");
  CHECK(read_timeline("/nowhere/container.csv").missing.ends_with("missing or empty"));
}

TEST_CASE("packed counts come back exactly, the largest included") {
  const std::vector<std::uint64_t> counts{0, 0, 1, 65226, 0, 17'000'000, (1ULL << 53) - 1, 0, 127};
  CHECK(unpack(pack_counts(counts)) == counts);
  CHECK(pack_counts({}).empty());
  CHECK_THROWS_WITH(pack_counts(std::vector<std::uint64_t>{1ULL << 53}),
                    "pack counts: a bucket holds 2^53 or more");
}

TEST_CASE("Base64 is that of RFC 4648, section 10") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("only buckets wholly inside a window count") {
  const Timeline t{.first_ns = 1000, .interval_ns = 10, .buckets = 5, .series = {}, .missing = ""};
  const BucketRange inside = buckets_inside(t, 1005, 1045);
  CHECK(inside.begin == 1);
  CHECK(inside.end == 4);
  CHECK(buckets_inside(t, 1000, 1050).end == 5);
  CHECK(buckets_inside(t, 0, 9999).end == 5);
  CHECK(buckets_inside(t, 1011, 1019).empty());
  CHECK(buckets_inside(t, 2000, 3000).empty());
}

TEST_CASE("quantiles are nearest ranks of the counts") {
  std::vector<std::uint64_t> counts(200);
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = 200 - i;  // 200 … 1
  const RateStatistics s = rate_statistics(counts, {0, 200});
  CHECK(s.sum == 20100);
  REQUIRE(s.quantiles.size() == kQuantiles);
  CHECK(s.quantiles.front() == 1);
  CHECK(s.quantiles[100] == 100);
  CHECK(s.quantiles[198] == 198);
  CHECK(s.quantiles.back() == 200);
  CHECK(rate_statistics(counts, {5, 5}).quantiles.empty());
}

TEST_CASE("a stall is a silence of 50 ms inside the traffic, not at its edges") {
  std::vector<std::uint64_t> bytes(40, 0);
  for (const std::size_t i : {8U, 9U, 15U, 20U}) bytes[i] = 1;  // silences of 5 and of 4 buckets
  const auto stalls = find_stalls(bytes, {0, 40}, 10'000'000);
  REQUIRE(stalls.size() == 1);
  CHECK(stalls[0].bucket == 10);
  CHECK(stalls[0].buckets == 5);
}

TEST_CASE("the slowest windows come first, do not overlap and lie inside the traffic") {
  std::vector<std::uint64_t> bytes(200, 100);
  std::fill(bytes.begin(), bytes.begin() + 20, 0);  // before the traffic
  std::fill(bytes.end() - 20, bytes.end(), 0);      // after it
  std::fill(bytes.begin() + 50, bytes.begin() + 60, 10);
  std::fill(bytes.begin() + 100, bytes.begin() + 105, 0);
  const auto slow = slow_windows(bytes, {0, 200});
  REQUIRE(slow.size() >= 2);
  CHECK(slow[0].bucket == 50);
  CHECK(slow[0].sum == 100);
  CHECK(slow[1].bucket == 95);
  CHECK(slow[1].sum == 500);
  for (std::size_t i = 0; i < slow.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      CHECK((slow[i].bucket >= slow[k].bucket + 10 || slow[k].bucket >= slow[i].bucket + 10));
}

TEST_CASE("a steady run has no slow windows, and neither has one without traffic") {
  CHECK(slow_windows(std::vector<std::uint64_t>(100, 7), {0, 100}).empty());
  CHECK(slow_windows(std::vector<std::uint64_t>(100, 0), {0, 100}).empty());
  CHECK(slow_windows(std::vector<std::uint64_t>(5, 7), {0, 5}).empty());
}

}  // namespace tl::report_timeline_test
