#include "analysis/time_series.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "support/analysed.hh"

namespace tl::analysis_time_series_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

Bytes frame(bool forward = true, std::uint16_t port = 5201) {
  return forward ? ethernet(ipv4("198.18.0.2", "198.18.0.3", 17, udp(40000, port, 58)))
                 : ethernet(ipv4("198.18.0.3", "198.18.0.2", 17, udp(port, 40000, 58)));
}

}  // namespace

TEST_CASE(
    "R-4 bins are half-open, on edges of the epoch, and out-of-order packets go to their own") {
  const auto analysed = analyse(pcap_file({{kStart, frame()},
                                           {kStart + 10 * kMs - 1, frame()},
                                           {kStart + 10 * kMs, frame()},
                                           {kStart - 1, frame()},
                                           {kStart + 5 * kMs, frame()}}));
  const auto rows = analysed->series.rows();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].start_ns == kStart - 10 * kMs);
  CHECK(rows[0].tally.packets == 1);
  CHECK(rows[1].start_ns == kStart);
  CHECK(rows[1].tally.packets == 3);
  CHECK(rows[1].tally.frame_bytes == 300);
  CHECK(rows[2].start_ns == kStart + 10 * kMs);
  CHECK(analysed->broken_identity() == "");
  CHECK(analysed->totals().back_steps == 1);
  CHECK(analysed->totals().largest_back_step_ns == 10 * kMs + 1);
}

TEST_CASE("R-4 an origin moves the edges, any interval divides exactly") {
  SeriesOptions options;
  options.interval = 7ns;
  options.origin_ns = kStart + 3;
  std::vector<MadePacket> packets;
  for (std::int64_t i = 0; i < 100; ++i) packets.push_back({kStart + i, frame()});
  const auto analysed = analyse(pcap_file(packets), options);
  const auto rows = analysed->series.rows();
  REQUIRE(rows.size() == 15);
  CHECK(rows[0].start_ns == kStart - 4);
  CHECK(rows[0].tally.packets == 3);
  for (std::size_t i = 1; i + 1 < rows.size(); ++i) {
    CHECK(rows[i].start_ns == kStart + 3 + static_cast<std::int64_t>(i - 1) * 7);
    CHECK(rows[i].tally.packets == 7);
  }
  CHECK(analysed->broken_identity() == "");
}

TEST_CASE("R-4 all bins add up to the totals, by total, direction, port and flow, exactly") {
  std::vector<MadePacket> packets;
  for (std::int64_t i = 0; i < 5000; ++i) {
    const auto port = static_cast<std::uint16_t>(5201 + i % 7);
    packets.push_back({kStart + (i * 7919 % 5000) * 100'003, frame(i % 3 != 0, port)});
    if (i % 10 == 0) packets.push_back({kStart + i, arp()});
  }
  for (const SeriesBy by : {SeriesBy::total, SeriesBy::direction, SeriesBy::port, SeriesBy::flow}) {
    SeriesOptions options;
    options.by = by;
    const auto analysed = analyse(pcap_file(packets), options);
    CHECK(analysed->broken_identity() == "");
    CHECK(analysed->series.over_limit().packets == 0);
  }
}

TEST_CASE("series by direction: own addresses, then the capture's word, then who opened the flow") {
  const std::vector<MadePacket> packets{
      {kStart, frame(true)}, {kStart, frame(false)}, {kStart, frame(false)}, {kStart, arp()}};
  const auto counts = [&](const SeriesOptions& options) {
    std::map<std::string, std::uint64_t> out;
    const auto analysed = analyse(pcap_file(packets), options);
    for (const auto& row : analysed->series.rows())
      out[analysed->series.label(row.label)] += row.tally.packets;
    return out;
  };
  SeriesOptions options;
  options.by = SeriesBy::direction;
  using Counts = std::map<std::string, std::uint64_t>;
  CHECK(counts(options) == Counts{{"forward", 1}, {"reverse", 2}, {"other", 1}});
  std::uint8_t version = 0;
  const auto address = address_from_text("198.18.0.3", version);
  REQUIRE(address);
  options.local.emplace_back(*address, version);
  CHECK(counts(options) == Counts{{"tx", 2}, {"rx", 1}, {"other", 1}});
}

TEST_CASE("series by port names the server's port") {
  SeriesOptions options;
  options.by = SeriesBy::port;
  const auto analysed = analyse(
      pcap_file({{kStart, frame(true, 80)}, {kStart, frame(false, 80)}, {kStart, arp()}}), options);
  const auto rows = analysed->series.rows();
  REQUIRE(rows.size() == 2);
  CHECK(analysed->series.label(rows[0].label) == "80");
  CHECK(rows[0].tally.packets == 2);
  CHECK(analysed->series.label(rows[1].label) == "none");
}

TEST_CASE("bins over the memory limit are counted, not lost") {
  SeriesOptions options;
  options.most_bins = 64;  // two chunks
  std::vector<MadePacket> packets;
  for (std::int64_t i = 0; i < 10; ++i) packets.push_back({kStart + i * 3600'000 * kMs, frame()});
  const auto analysed = analyse(pcap_file(packets), options);
  CHECK(analysed->series.rows().size() == 2);
  CHECK(analysed->series.over_limit().packets == 8);
  CHECK(analysed->broken_identity() == "");
}

TEST_CASE("packets without a time are in no bin, and counted") {
  PcapngMaker maker;
  maker.section().interface({}).enhanced(0, 5, frame()).simple(frame()).simple(frame());
  const auto analysed = analyse(maker.bytes());
  CHECK(analysed->series.untimed().packets == 2);
  CHECK(analysed->totals().untimed == 2);
  CHECK(analysed->broken_identity() == "");
}

TEST_CASE("a series needs an interval") {
  SeriesOptions options;
  options.interval = 0ns;
  CHECK_THROWS_AS((void)analyse(pcap_file({}), options), UsageError);
}
}  // namespace tl::analysis_time_series_test
