// Large files are decoded by a second thread: whatever it does, a pass gives what it gives without.
#include "analysis/decode_ahead.hh"

#include <doctest/doctest.h>

#include <cstring>
#include <stdexcept>

#include "support/analysed.hh"
#include "support/temporary.hh"

namespace tl::analysis_decode_ahead_test {
using namespace tl::test;

namespace {

constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

// A file of several MB: 900 TCP flows, packets of many sizes, some that are not IP.
Bytes mixed_file(std::size_t count, const PcapOptions& options = {}) {
  std::vector<MadePacket> packets;
  for (std::size_t i = 0; i < count; ++i) {
    const Tcp header{.source_port = static_cast<std::uint16_t>(1000 + i * 7919 % 900),
                     .sequence = static_cast<std::uint32_t>(i * 100),
                     .payload_bytes = i * 37 % 1400};
    packets.push_back(
        {kStart + static_cast<std::int64_t>(i) * 20'000,
         i % 50 == 0 ? arp() : ethernet(ipv4("198.18.0.1", "198.18.0.2", 6, tcp(header)))});
  }
  return pcap_file(packets, options);
}

// A question that needs every packet in order: without one a capture is walked in parts.
SeriesOptions by_flow() {
  SeriesOptions options;
  options.by = SeriesBy::flow;
  return options;
}

std::unique_ptr<Analysed> analyse_path(const std::string& path, std::uint32_t most_flows = 4096) {
  return std::make_unique<Analysed>(open_source(path), by_flow(), most_flows);
}

// Bytes in memory have no positions to read at, so they are decoded by the thread that asks.
void check_same(const Analysed& file, const Analysed& memory) {
  CHECK(file.broken_identity() == "");
  CHECK(file.contents() == memory.contents());
  CHECK(file.totals().time.first_ns == memory.totals().time.first_ns);
  CHECK(file.totals().time.last_ns == memory.totals().time.last_ns);
  CHECK(file.stop.reason == memory.stop.reason);
  CHECK(file.stop.offset == memory.stop.offset);
  CHECK(file.stop.packet_index == memory.stop.packet_index);
  REQUIRE(file.pass.flows().size() == memory.pass.flows().size());
  // Which flow has to make room depends on where batches end, and that on the source.
  if (file.pass.flows().evictions() != 0) return;
  bool same = true;
  for (std::uint32_t i = 0; i < file.pass.flows().size(); ++i) {
    const Flow &ours = file.pass.flows().flow(i), &theirs = memory.pass.flows().flow(i);
    same = same && ours.key == theirs.key && ours.total() == theirs.total() &&
           ours.sides[0].sequence.gap_bytes() == theirs.sides[0].sequence.gap_bytes();
  }
  CHECK(same);
  const auto rows = file.series.rows(), expected = memory.series.rows();
  REQUIRE(rows.size() == expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) same = same && rows[i].tally == expected[i].tally;
  CHECK(same);
}

// Looks at every byte of every packet, when the decoding thread is already elsewhere.
struct ByteSum : Observer {
  std::uint64_t sum = 0, packets = 0, wrong_index = 0;
  [[nodiscard]] Depth depth() const override { return Depth::headers; }
  void on_batch(const Batch& batch) override {
    wrong_index += batch.first_index == packets ? 0 : 1;
    packets += batch.packets.size();
    for (const Packet& packet : batch.packets)
      for (std::uint32_t i = 0; i < packet.captured_bytes; ++i) sum = sum * 31 + packet.data[i];
  }
};

ByteSum byte_sum(std::unique_ptr<ByteSource> source) {
  CaptureReader reader{std::move(source), "test"};
  Pass pass{reader};
  ByteSum sum;
  pass.add(sum);
  (void)pass.run();
  return sum;
}

struct Thrower : Observer {
  std::uint64_t batches = 0;
  [[nodiscard]] Depth depth() const override { return Depth::packets; }
  void on_batch(const Batch& /*batch*/) override {
    if (++batches == 60) throw std::runtime_error{"enough"};
  }
};

}  // namespace

TEST_CASE("a large file decoded by two threads gives the same totals, flows and bins as by one") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  Bytes bytes = mixed_file(12'000);
  REQUIRE(bytes.size() > 4 * DecodeAhead::kWorthwhileBytes);
  for (const std::size_t cut : {0U, 5U}) {
    bytes.resize(bytes.size() - cut);
    write_file(path, bytes);
    for (const std::uint32_t most_flows : {4096U, FlowTable::kFewestFlows}) {
      CAPTURE(cut);
      CAPTURE(most_flows);
      const auto file = analyse_path(path, most_flows);
      check_same(*file, *analyse(bytes, by_flow(), most_flows));
      CHECK((file->pass.flows().evictions() != 0) == (most_flows != 4096));
    }
  }
}

TEST_CASE("packets decoded ahead keep their bytes until they were looked at") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  const Bytes small = mixed_file(12'000);
  // D-Bus packets may be larger than what is read at a time; between small ones, several times.
  PcapOptions dbus;
  dbus.link_type = 231;
  std::vector<MadePacket> packets;
  for (std::size_t i = 0; i < 2'000; ++i) {
    const std::size_t size = i % 300 == 250 ? 1'700'000 : 40 + i * 97 % 3000;
    packets.push_back({kStart, Bytes(size, static_cast<std::uint8_t>(i))});
  }
  for (const Bytes& bytes : {small, pcap_file(packets, dbus)}) {
    write_file(path, bytes);
    const ByteSum expected = byte_sum(memory_source(bytes));
    const ByteSum sum = byte_sum(open_source(path));
    CHECK(sum.packets == expected.packets);
    CHECK(sum.sum == expected.sum);
    CHECK(sum.wrong_index == 0);
  }
}

TEST_CASE("an observer that throws ends a pass of two threads") {
  const TemporaryFolder folder;
  write_file(folder.path() / "x.pcap", mixed_file(12'000));
  CaptureReader reader = CaptureReader::open(folder.path() / "x.pcap");
  Pass pass{reader};
  Thrower thrower;
  pass.add(thrower);
  CHECK_THROWS_AS((void)pass.run(), std::runtime_error);
  CHECK(thrower.batches == 60);
}
}  // namespace tl::analysis_decode_ahead_test
