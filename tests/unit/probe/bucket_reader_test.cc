#include "probe/bucket_reader.hh"

#include <doctest/doctest.h>

namespace tl::probe_bucket_reader_test {
namespace {

// Two CPUs, eight slots, four cells: memory as the kernel side would leave it.
struct Memory {
  Memory() {
    layout.device_series = 3;
    layout.slots = 8;
    for (auto* ring : {&rx, &tx}) ring->resize(2UL * layout.slots * layout.cells());
    totals.resize(2UL * layout.cells());
  }
  void add(std::vector<tl_cell>& ring, std::size_t cpu, std::uint32_t epoch, std::size_t series,
           std::uint64_t bytes) {
    tl_cell& cell = ring[(cpu * layout.slots + epoch % layout.slots) * layout.cells() + series];
    if (cell.epoch != epoch) cell = {epoch, 0, 0, 0, 0, 0};
    ++cell.packets;
    cell.bytes += bytes;
  }
  [[nodiscard]] HookMemory hook(const std::vector<tl_cell>& ring) const {
    return {ring, totals, {}};
  }
  [[nodiscard]] BucketReader reader(std::uint64_t first) const {
    return {layout, 2, hook(rx), hook(tx), first};
  }
  CounterLayout layout;
  std::vector<tl_cell> rx, tx;
  std::vector<tl_total> totals;
};

std::vector<std::uint64_t> rx_bytes_of_series_1(BucketReader& reader, std::uint64_t last,
                                                std::uint64_t current) {
  std::vector<std::uint64_t> bytes;
  reader.read_through(
      last, [&] { return current; },
      [&](const Bucket& b) { bytes.push_back(b.series[1].rx_bytes); });
  return bytes;
}

}  // namespace

TEST_CASE("a bucket is the sum of all CPUs' cells of its epoch, per direction") {
  Memory m;
  m.add(m.rx, 0, 10, 1, 100);
  m.add(m.rx, 1, 10, 1, 20);
  m.add(m.tx, 1, 10, 1, 7);
  BucketReader reader = m.reader(10);
  Bucket seen;
  reader.read_through(
      10, [] { return 11ULL; }, [&](const Bucket& b) { seen = b; });
  CHECK(seen.series[1].rx_bytes == 120);
  CHECK(seen.series[1].rx_packets == 2);
  CHECK(seen.series[1].tx_bytes == 7);
  CHECK(seen.series[2] == CounterValues{});
}

TEST_CASE("T02 an idle gap of one lap less, exactly and more shows no ghost of the old lap") {
  for (const std::uint32_t gap : {7U, 8U, 9U}) {
    CAPTURE(gap);
    Memory m;
    m.add(m.rx, 0, 10, 1, 100);
    BucketReader reader = m.reader(10);
    CHECK(rx_bytes_of_series_1(reader, 10, 11) == std::vector<std::uint64_t>{100});
    m.add(m.rx, 0, 10 + gap, 1, 5);
    // Read in steps, as a reader in time does: each empty bucket is zero, the new one is the new
    // packet alone.
    std::uint64_t sum = 0;
    for (std::uint64_t e = 11; e <= 10 + gap; ++e)
      for (const std::uint64_t bytes : rx_bytes_of_series_1(reader, e, e + 1)) sum += bytes;
    CHECK(sum == 5);
    CHECK(reader.overruns().empty());
  }
}

TEST_CASE(
    "T05 a reader that comes later than the ring is deep reports the gap and smears nothing") {
  Memory m;
  for (std::uint32_t e = 10; e < 40; ++e) m.add(m.rx, 0, e, 1, e);
  BucketReader reader = m.reader(10);
  const auto bytes = rx_bytes_of_series_1(reader, 39, 40);
  CHECK(bytes == std::vector<std::uint64_t>{34, 35, 36, 37, 38, 39});
  REQUIRE(reader.overruns().size() == 1);
  CHECK(reader.overruns()[0].first_epoch == 10);
  CHECK(reader.overruns()[0].last_epoch == 33);
}

TEST_CASE("T09 two readers of one memory agree") {
  Memory m;
  for (std::uint32_t e = 10; e < 14; ++e) m.add(m.rx, e % 2, e, 1, e);
  BucketReader one = m.reader(10), two = m.reader(10);
  CHECK(rx_bytes_of_series_1(one, 13, 14) == rx_bytes_of_series_1(two, 13, 14));
}
}  // namespace tl::probe_bucket_reader_test
