#include "report/iperf_track.hh"

#include <doctest/doctest.h>

#include <fstream>

#include "support/temporary.hh"

namespace tl::report_iperf_track_test {
namespace {

const char* const kClient = R"({"start":{"version":"iperf 3.12","connected":[
  {"local_port":40001,"remote_port":5201},{"local_port":40002,"remote_port":5201}],
  "test_start":{"protocol":"TCP","duration":1}},
  "intervals":[
   {"sum":{"start":0,"end":0.100405,"seconds":0.100405,"bytes":1000,"retransmits":3,"omitted":true,
    "sender":true}},
   {"sum":{"start":0.100405,"end":0.2,"seconds":0.1,"bytes":2000,"retransmits":0,"omitted":false,
    "sender":true}}],
  "end":{"sum_sent":{"bytes":3000,"seconds":1.0,"retransmits":3},
         "sum_received":{"bytes":3000,"seconds":1.0}}})";

IperfTrack track_of(const std::string& text) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "iperf");
  std::ofstream{folder.path() / "iperf" / "client.json"} << text;
  return read_iperf_track(folder.path(), "client");
}

}  // namespace

TEST_CASE("iperf's intervals are read in microseconds, with retransmits and warm-up marked") {
  const IperfTrack track = track_of(kClient);
  CHECK(track.missing == "");
  CHECK(track.is_sender);
  REQUIRE(track.intervals.size() == 2);
  CHECK(track.intervals[0].end_us == 100405);
  CHECK(track.intervals[0].is_omitted);
  CHECK(track.intervals[0].retransmits == 3);
  CHECK(track.intervals[1].bytes == 2000);
}

TEST_CASE("iperf's test begins with the last of its connections") {
  const IperfTrack track = track_of(kClient);
  const auto capture = nlohmann::json::parse(
      R"({"flows":[{"client_port":40001,"first_ns":500},{"client_port":40002,"first_ns":700},
                   {"client_port":39999,"first_ns":900}]})");
  CHECK(iperf_zero_ns(track, capture) == 700);
  CHECK(iperf_zero_ns(track, nlohmann::json::parse(R"({"flows":[]})")) == std::nullopt);
  CHECK(iperf_zero_ns(track, nullptr) == std::nullopt);
}

TEST_CASE("an iperf result that does not count has a reason instead of intervals") {
  CHECK_FALSE(track_of("{").missing.empty());
  CHECK_FALSE(track_of("{}").missing.empty());
  CHECK(track_of("{").intervals.empty());
}

}  // namespace tl::report_iperf_track_test
