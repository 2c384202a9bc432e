// two captures of different runs side by side.
#include "analysis/run_diff.hh"

#include <doctest/doctest.h>

#include <algorithm>

#include "analysis/run_diff_report.hh"
#include "base/errors.hh"
#include "support/tcp_simulation.hh"
#include "support/temporary.hh"

namespace tl::analysis_run_diff_test {
using namespace tl::test;

namespace {

using Packets = std::vector<MadePacket>;

RunDiff compare(const Packets& a, const Packets& b, const RunDiffOptions& options = {}) {
  const TemporaryFolder folder;
  const std::array<std::string, 2> paths{folder.path() / "a.pcap", folder.path() / "b.pcap"};
  write_file(paths[0], pcap_file(a));
  write_file(paths[1], pcap_file(b));
  return compare_runs(paths, options);
}

const RunMetric& metric(const RunDiff& diff, const std::string& name) {
  const auto found = std::find_if(diff.metrics.begin(), diff.metrics.end(),
                                  [&](const RunMetric& m) { return m.name == name; });
  REQUIRE(found != diff.metrics.end());
  return *found;
}

std::vector<std::string> different(const RunDiff& diff) {
  std::vector<std::string> names;
  for (const RunMetric& m : diff.metrics)
    if (!m.is_equal()) names.push_back(m.name);
  return names;
}

Packets busy() {
  Packets packets = simulate({.loss_per_mille = 20, .seed = 4}).at_client;
  for (int i = 0; i < 50; ++i)
    packets.push_back({packets.front().time_ns + i * 7'000'000LL,
                       ethernet(ipv4("198.18.0.9", "198.18.0.3", 17, udp(53, 5353, 60)))});
  std::stable_sort(packets.begin(), packets.end(),
                   [](const MadePacket& x, const MadePacket& y) { return x.time_ns < y.time_ns; });
  return packets;
}

}  // namespace

TEST_CASE("R-15 a capture against itself: all zero, flows and ports and series included") {
  const RunDiff diff = compare(busy(), busy());
  CHECK(diff.is_identical());
  CHECK(different(diff).empty());
  for (const RunMetric& m : diff.metrics) {
    CHECK(m.distance_ppm() == 0);
    if (m.values[0]) CHECK(m.difference() == 0);
  }
  CHECK(diff.series.difference_bytes == 0);
  CHECK(diff.series.bins > 10);
  CHECK(diff.flows.size() == 2);
  CHECK(metric(diff, "rtt_server_samples").values[0].value() > 50);
  CHECK(!exceeds_tolerance(diff, {{"", 0}}));
}

TEST_CASE("R-15 the same run at another time is the same: only times within it are compared") {
  Packets later = busy();
  for (MadePacket& packet : later) packet.time_ns += 12'345'678'901;
  CHECK(compare(busy(), later).is_identical());
}

TEST_CASE("R-15 a copy with reordered timestamps: totals equal, the order is flagged") {
  Packets reordered = busy();
  for (std::size_t i = 40; i + 1 < reordered.size(); i += 40)
    std::swap(reordered[i].time_ns, reordered[i + 1].time_ns);
  const RunDiff diff = compare(busy(), reordered);
  for (const char* name : {"packets", "frame_bytes", "captured_bytes", "tcp_payload_bytes",
                           "udp_packets", "duration_ns", "flows"})
    CHECK(metric(diff, name).is_equal());
  CHECK(metric(diff, "back_steps").values[0] == 0);
  CHECK(metric(diff, "back_steps").values[1].value() > 0);
  CHECK(metric(diff, "largest_back_step_ns").values[1].value() > 0);
  CHECK(!diff.is_identical());
  CHECK(exceeds_tolerance(diff, {{"", 0}}));
}

TEST_CASE("R-15 another snapshot length: lengths equal, captured bytes differ, nothing else") {
  Packets cut = busy();
  for (MadePacket& packet : cut) {
    packet.length = static_cast<std::uint32_t>(packet.bytes.size());
    packet.bytes.resize(std::min<std::size_t>(packet.bytes.size(), 96));
  }
  const RunDiff diff = compare(busy(), cut);
  CHECK(different(diff) == std::vector<std::string>{"captured_bytes", "truncated_packets"});
  CHECK(diff.series.difference_bytes == 0);
  CHECK(std::all_of(diff.flows.begin(), diff.flows.end(),
                    [](const RunPart& flow) { return flow.is_equal(); }));
}

TEST_CASE("R-15 flows of new client ports are other flows, or the same when ports do not count") {
  Packets renumbered = busy();
  for (MadePacket& packet : renumbered)
    for (const std::size_t at : {std::size_t{34}, std::size_t{36}})
      if (packet.bytes[23] == 6 && packet.bytes[at] == 0x9C && packet.bytes[at + 1] == 0x40)
        packet.bytes[at + 1] = 0x41;  // 40000 becomes 40001
  const RunDiff with = compare(busy(), renumbered);
  CHECK(with.flows.size() == 3);
  CHECK(metric(with, "flows").is_equal());
  const RunDiff without = compare(busy(), renumbered, {.ignore_client_port = true});
  CHECK(without.flows.size() == 2);
  CHECK(without.is_identical());
}

TEST_CASE("R-15 declared tolerances: the longest name that fits counts, none means no verdict") {
  const Packets a = busy();
  const Packets b{a.begin(), a.end() - 20};
  const RunDiff diff = compare(a, b);
  CHECK(!exceeds_tolerance(diff, {}));
  CHECK(exceeds_tolerance(diff, {parse_tolerance("packets=1%")}));
  CHECK(!exceeds_tolerance(diff, {parse_tolerance("packets=5%")}));
  const std::vector<Tolerance> both{parse_tolerance("0%"), parse_tolerance("packets=5%")};
  CHECK(is_within(metric(diff, "packets"), both) == true);
  CHECK(is_within(metric(diff, "frame_bytes"), both) == false);
  CHECK(is_within(metric(diff, "packets"), {}) == std::nullopt);
  CHECK(is_within(metric(diff, "series_distance_ppm"), both) == false);
  for (const char* wrong : {"", "5", "rtt=", "x=-1%", "101%", "%"})
    CHECK_THROWS_AS(parse_tolerance(wrong), UsageError);
}

TEST_CASE("the distance of series goes from none to all") {
  Packets late = busy();
  const Packets early = busy();
  for (MadePacket& packet : late) packet.time_ns += 1'000'000'000'000;
  late.insert(late.begin(), early.front());  // the same beginning, the rest long after
  const RunDiff diff = compare({early.begin(), early.end()}, late);
  CHECK(diff.series.ppm() > 980'000);
  CHECK(diff.series.ppm() <= 1'000'000);
}
}  // namespace tl::analysis_run_diff_test
