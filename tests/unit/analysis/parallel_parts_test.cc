// Large captures are walked in parts, several at a time: whatever is in them, the answers are those
// of a walk from the first packet to the last.
#include "analysis/parallel_parts.hh"

#include <doctest/doctest.h>

#include <random>
#include <stdexcept>

#include "support/analysed.hh"
#include "support/temporary.hh"

namespace tl::analysis_parallel_parts_test {
using namespace tl::test;

namespace {

constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

// TCP in which segments are lost, repeated, late and far off, connections begin again on the same
// ports, and both ends send; beside it UDP, IPv6, fragments, ARP, and steps back in time.
class Traffic {
 public:
  explicit Traffic(std::uint32_t seed, std::uint32_t flows = 60)
      : random_{seed}, ends_(flows * 2) {}

  MadePacket next() {
    time_ns_ += static_cast<std::int64_t>(random_() % 60'000) - 5'000;
    return {time_ns_, frame()};
  }

 private:
  Bytes frame() {
    switch (random_() % 40) {
      case 0:
        return arp();
      case 1:
        return ethernet(ipv4("198.18.0.1", "198.18.0.2", 17, udp(53, 53, random_() % 900), 0x2000));
      case 2:
        return ethernet(ipv6("2001:db8::1", "2001:db8::2", 17, udp(5353, 5353, 300)), 0x86DD);
      case 3:
        return Bytes(10 + random_() % 30, 0xAB);
      default:
        return tcp_frame();
    }
  }
  Bytes tcp_frame() {
    const std::size_t end = random_() % ends_.size();
    Tcp header{.sequence = ends_[end], .payload_bytes = random_() % 1400};
    header.source_port = static_cast<std::uint16_t>(2000 + end / 2);
    const auto chance = static_cast<std::uint32_t>(random_() % 200);
    if (chance == 0) {
      header.flags = kSyn;
      header.options = option_mss(static_cast<std::uint16_t>(1000 + random_() % 400));
      header.sequence = static_cast<std::uint32_t>(random_());
      header.payload_bytes = 0;
      ends_[end] = header.sequence + 1;
    } else if (chance < 10) {
      header.sequence += static_cast<std::uint32_t>(random_() % 9000);
    } else if (chance < 30) {
      header.sequence -= static_cast<std::uint32_t>(random_() % 9000);
    }
    if (chance >= 10)
      ends_[end] = header.sequence + static_cast<std::uint32_t>(header.payload_bytes);
    if (end % 2 == 0) return ethernet(ipv4("198.18.0.2", "198.18.0.3", 6, tcp(header)));
    std::swap(header.source_port, header.destination_port);
    return ethernet(ipv4("198.18.0.3", "198.18.0.2", 6, tcp(header)));
  }

  std::mt19937 random_;
  std::vector<std::uint32_t> ends_;  // the next sequence number of each side of each flow
  std::int64_t time_ns_ = kStart;
};

std::vector<MadePacket> traffic(std::uint32_t seed, std::size_t count, std::uint32_t flows = 60) {
  Traffic source{seed, flows};
  std::vector<MadePacket> packets;
  for (std::size_t i = 0; i < count; ++i) packets.push_back(source.next());
  return packets;
}

void check_same(const SummaryTotals& a, const SummaryTotals& b) {
  CHECK(a.packets == b.packets);
  CHECK(a.frame_bytes == b.frame_bytes);
  CHECK(a.captured_bytes == b.captured_bytes);
  CHECK(a.truncated == b.truncated);
  CHECK(a.smallest == b.smallest);
  CHECK(a.largest == b.largest);
  CHECK(a.time.first_ns == b.time.first_ns);
  CHECK(a.time.last_ns == b.time.last_ns);
  CHECK(a.untimed == b.untimed);
  CHECK(a.time_normalised == b.time_normalised);
  CHECK(a.caplen_over_length == b.caplen_over_length);
  CHECK(a.back_steps == b.back_steps);
  CHECK(a.largest_back_step_ns == b.largest_back_step_ns);
  CHECK(a.not_ip == b.not_ip);
  CHECK(a.undecoded == b.undecoded);
  CHECK(a.ipv4_tcp == b.ipv4_tcp);
  CHECK(a.ipv4_udp == b.ipv4_udp);
  CHECK(a.ipv6_udp == b.ipv6_udp);
  CHECK(a.fragments == b.fragments);
  CHECK(a.super.packets == b.super.packets);
  CHECK(a.super.segments == b.super.segments);
  CHECK(a.super.by_mss == b.super.by_mss);
  REQUIRE(a.interfaces.size() == b.interfaces.size());
  CHECK(a.interfaces[0].packets == b.interfaces[0].packets);
}

bool same_side(const FlowSide& a, const FlowSide& b) {
  return a.tally == b.tally && a.time.first_ns == b.time.first_ns &&
         a.time.last_ns == b.time.last_ns && a.sequence.span_bytes() == b.sequence.span_bytes() &&
         a.sequence.gap_bytes() == b.sequence.gap_bytes() &&
         a.sequence.retransmitted_bytes() == b.sequence.retransmitted_bytes() &&
         a.sequence.forgotten_gaps() == b.sequence.forgotten_gaps();
}

void check_same(const FlowTable& a, const FlowTable& b) {
  REQUIRE(a.size() == b.size());
  CHECK(a.not_ip() == b.not_ip());
  CHECK(a.undecoded() == b.undecoded());
  std::uint32_t different = 0;
  for (std::uint32_t i = 0; i < a.size(); ++i) {
    const Flow &ours = a.flow(i), &theirs = b.flow(i);
    const bool same =
        ours.key == theirs.key && ours.serial == theirs.serial &&
        ours.connections == theirs.connections && ours.fragments == theirs.fragments &&
        ours.maximum_segment_bytes == theirs.maximum_segment_bytes &&
        same_side(ours.sides[0], theirs.sides[0]) && same_side(ours.sides[1], theirs.sides[1]);
    different += same ? 0 : 1;
  }
  CHECK(different == 0);
}

void check_same(const TimeSeries& a, const TimeSeries& b) {
  const auto ours = a.rows(), theirs = b.rows();
  REQUIRE(ours.size() == theirs.size());
  bool same = true;
  for (std::size_t i = 0; i < ours.size(); ++i)
    same = same && ours[i].start_ns == theirs[i].start_ns && ours[i].tally == theirs[i].tally;
  CHECK(same);
  CHECK(a.untimed() == b.untimed());
  CHECK(a.over_limit() == b.over_limit());
}

// How much of a file is walked in parts, and how much is left to the ordinary way.
struct Share {
  std::uint64_t in_parts_bytes, left_bytes;
};
Share share_of(const std::filesystem::path& path) {
  CaptureReader reader = CaptureReader::open(path);
  Walk walk;
  CaptureSummary summary;
  walk.add(summary);
  walk.want_flows();
  REQUIRE(reader.window().share());
  walk.take(reader.next_batch(), 0);
  const std::uint64_t before = reader.stream_bytes();
  ParallelParts{reader, walk}.run();
  return {reader.stream_bytes() - before, std::filesystem::file_size(path) - reader.stream_bytes()};
}

// A question whose parts fail.
struct PartThrower : Observer {
  explicit PartThrower(bool throws) : throws_{throws} {}
  [[nodiscard]] Depth depth() const override { return Depth::packets; }
  void on_batch(const Batch& /*batch*/) override {
    if (throws_) throw std::runtime_error{"enough"};
  }
  [[nodiscard]] std::unique_ptr<Observer> part(const FlowTable& /*flows*/) const override {
    return std::make_unique<PartThrower>(true);
  }

 private:
  bool throws_;
};

// A file can be read in parts; bytes in memory are read from the first to the last.
class Comparison {
 public:
  void check(const Bytes& bytes, const SeriesOptions& options = {},
             std::uint32_t most_flows = 4096) {
    write_file(path_, bytes);
    const Analysed parts{open_source(path_), options, most_flows};
    const auto whole = analyse(bytes, options, most_flows);
    CHECK(parts.broken_identity() == "");
    CHECK(parts.stop.reason == whole->stop.reason);
    CHECK(parts.stop.offset == whole->stop.offset);
    CHECK(parts.stop.packet_index == whole->stop.packet_index);
    CHECK(parts.stop.detail == whole->stop.detail);
    check_same(parts.totals(), whole->totals());
    check_same(parts.series, whole->series);
    if (whole->pass.flows().evictions() == 0) check_same(parts.pass.flows(), whole->pass.flows());
  }
  // Of the file that was checked last.
  [[nodiscard]] Share share() const { return share_of(path_); }

 private:
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "x.pcap";
};

}  // namespace

TEST_CASE("a capture walked in parts gives every number that one walk gives") {
  Comparison comparison;
  for (const std::uint32_t seed : {1U, 2U, 3U}) {
    CAPTURE(seed);
    const PcapOptions options{.big_endian = seed == 2, .modified = seed == 3};
    comparison.check(pcap_file(traffic(seed, 20'000), options));
    const Share share = comparison.share();
    CHECK(share.in_parts_bytes > 4 * share.left_bytes);
  }
}

TEST_CASE("pcapng is walked in parts, too, up to a block that says what follows") {
  Comparison comparison;
  const std::vector<MadePacket> packets = traffic(9, 16'000);
  for (const bool big_endian : {false, true}) {
    PcapngMaker maker{big_endian};
    maker.section().interface({.time_resolution = 9}).interface({.time_resolution = 9});
    for (std::size_t i = 0; i < packets.size(); ++i) {
      // Another interface, and statistics, in the last quarter.
      if (i == 12'000) maker.statistics(0, 12'000, 3).interface({.time_resolution = 6});
      const bool is_third = i > 12'000 && i % 3 == 2;
      maker.enhanced(is_third ? 2 : i % 2,
                     static_cast<std::uint64_t>(packets[i].time_ns / (is_third ? 1000 : 1)),
                     packets[i].bytes);
    }
    maker.statistics(1, 16'000, 0);
    comparison.check(maker.bytes());
    const Share share = comparison.share();
    CHECK(share.in_parts_bytes > share.left_bytes);
    CHECK(share.left_bytes > maker.bytes().size() / 5);
  }
}

TEST_CASE("a damaged, joined or cut capture ends where it ends without parts") {
  Comparison comparison;
  const Bytes good = pcap_file(traffic(4, 16'000));
  const PcapOptions options;
  SUBCASE("cut") {
    comparison.check({good.begin(), good.end() - 7});
    comparison.check({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(good.size() / 2)});
  }
  SUBCASE("joined") { comparison.check(good + good); }
  SUBCASE("a record that cannot be") {
    Bytes bad_record = pcap_record({kStart, Bytes(60)}, options);
    bad_record[11] = 0x7F;  // captured bytes, the highest byte
    const Bytes records(good.begin() + 24, good.end());
    comparison.check(good + bad_record + records);
  }
}

TEST_CASE("whatever bytes a capture is damaged by, parts or none make no difference") {
  Comparison comparison;
  Bytes bytes = pcap_file(traffic(11, 9'000));
  PcapngMaker maker;
  maker.section().interface({.time_resolution = 9});
  for (const MadePacket& packet : traffic(12, 9'000))
    maker.enhanced(0, static_cast<std::uint64_t>(packet.time_ns), packet.bytes);
  std::mt19937 random{13};
  for (const Bytes& good : {bytes, maker.bytes()})
    for (int round = 0; round < 6; ++round) {
      CAPTURE(round);
      bytes = good;
      // Few changes hit headers, many do; those of the first records would leave nothing to read.
      for (int changes = 1 << (2 * round); changes-- > 0;)
        bytes[2'000'000 + random() % (bytes.size() - 2'000'000)] =
            static_cast<std::uint8_t>(random());
      comparison.check(bytes);
    }
}

TEST_CASE("packets that carry captures do not mislead the guess where a part begins") {
  std::vector<MadePacket> packets;
  const PcapOptions options;
  Bytes inner;
  for (int i = 0; i < 20; ++i) inner = inner + pcap_record({kStart + i, Bytes(60, 1)}, options);
  for (int i = 0; i < 8'000; ++i)
    packets.push_back({kStart + i, ethernet(ipv4("198.18.0.1", "198.18.0.2", 17, inner))});
  Comparison comparison;
  comparison.check(pcap_file(packets));
  // All of it with right guesses; none must have been joined that was wrong.
  const Share share = comparison.share();
  CHECK(share.in_parts_bytes + share.left_bytes > 0);
}

TEST_CASE("what a part cannot hold or know is left to the ordinary way") {
  Comparison comparison;
  SUBCASE("more flows than a part holds") {
    std::vector<MadePacket> packets;
    for (std::uint32_t i = 0; i < 40'000; ++i) {
      Tcp header{.source_port = static_cast<std::uint16_t>(i), .payload_bytes = 250};
      packets.push_back({kStart + i, ethernet(ipv4("198.18.0.2", "198.18.0.3", 6, tcp(header)))});
    }
    comparison.check(pcap_file(packets), {}, 65'536);
  }
  SUBCASE("more flows than the table holds") {
    comparison.check(pcap_file(traffic(5, 16'000, 900)), {}, 300);
  }
  SUBCASE("super-packets, whose segments the SYN of an earlier part decides") {
    std::vector<MadePacket> packets = traffic(6, 12'000);
    const Tcp syn{.flags = kSyn, .options = option_mss(900)};
    packets[5].bytes = ethernet(ipv4("198.18.0.2", "198.18.0.3", 6, tcp(syn)));
    for (std::size_t i = 10; i < packets.size(); i += 9)
      packets[i].bytes =
          ethernet(ipv4("198.18.0.2", "198.18.0.3", 6, tcp({.payload_bytes = 20'000})));
    comparison.check(pcap_file(packets));
  }
  SUBCASE("more bins than are kept") {
    SeriesOptions options;
    options.interval = std::chrono::microseconds{100};
    options.most_bins = 700;
    comparison.check(pcap_file(traffic(7, 16'000)), options);
  }
  SUBCASE("packets too large to guess at") {
    std::vector<MadePacket> packets(60, {kStart, Bytes(250'000, 7)});
    comparison.check(pcap_file(packets));
  }
}

TEST_CASE("what a walk over a part throws ends the pass") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "x.pcap";
  write_file(path, pcap_file(traffic(10, 12'000)));
  CaptureReader reader = CaptureReader::open(path);
  Pass pass{reader};
  PartThrower thrower{false};
  pass.add(thrower);
  CHECK_THROWS_AS((void)pass.run(), std::runtime_error);
}

TEST_CASE("TCP data in one piece leaves the state that its pieces leave") {
  std::mt19937 random{8};
  int different = 0;
  for (int round = 0; round < 2'000; ++round) {
    SequenceTrack by_run, by_piece;
    for (int runs = 0; runs < 40; ++runs) {
      std::uint32_t at = static_cast<std::uint32_t>(random() % 3'000);
      SequenceTrack::Run run{at, 0};
      for (auto pieces = random() % 6 + 1; pieces-- > 0;) {
        const auto bytes = static_cast<std::uint32_t>(random() % 60 + 1);
        by_piece.on_data(at, bytes);
        at += bytes;
        run.bytes += bytes;
      }
      by_run.on_run(run);
      different += by_run.span_bytes() == by_piece.span_bytes() &&
                           by_run.gap_bytes() == by_piece.gap_bytes() &&
                           by_run.retransmitted_bytes() == by_piece.retransmitted_bytes() &&
                           by_run.forgotten_gaps() == by_piece.forgotten_gaps()
                       ? 0
                       : 1;
    }
  }
  CHECK(different == 0);
}

}  // namespace tl::analysis_parallel_parts_test
