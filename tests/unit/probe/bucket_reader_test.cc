#include "probe/bucket_reader.hh"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

namespace tl::probe_bucket_reader_test {
namespace {

// Two CPUs, eight slots, four cells: memory as the kernel side would leave it.
struct Memory {
  struct Hook {
    std::vector<tl_cell> ring;
    std::vector<tl_counter> counters;
  };
  Memory() {
    layout.device_series = 3;
    layout.slots = 8;
    for (Hook* hook : {&rx, &tx}) {
      hook->ring.resize(2UL * layout.slots * layout.cells());
      hook->counters.resize(2UL * 2 * HookMemory::count(layout.cells()));
      for (std::size_t cpu : {0UL, 1UL})
        for (std::uint16_t i = 0; i < layout.cells(); ++i) series(*hook, cpu, i).series = i;
    }
  }
  tl_counter& slot(Hook& hook, std::size_t cpu, std::size_t i) const {
    return hook.counters[cpu * 2 * HookMemory::count(layout.cells()) + i];
  }
  tl_counter_rest& rest(tl_counter& counter) const {
    return reinterpret_cast<tl_counter_rest&>((&counter)[HookMemory::count(layout.cells())]);
  }
  tl_counter& series(Hook& hook, std::size_t cpu, std::size_t i) const {
    return slot(hook, cpu, TL_DEVICE_SLOTS + i);
  }
  // What close_bucket() does.
  void close(Hook& hook, std::size_t cpu, tl_counter& counter) const {
    tl_counter_rest& more = rest(counter);
    tl_cell& cell = hook.ring[(cpu * layout.slots + counter.epoch % layout.slots) * layout.cells() +
                              counter.series];
    if (cell.epoch != counter.epoch) cell = {counter.epoch, 0, 0, 0, 0, 0};
    const std::uint64_t packets = counter.gained >> TL_PACKET_SHIFT;
    const std::uint64_t bytes = counter.gained & TL_PACKET_BYTES;
    cell.packets += static_cast<std::uint32_t>(packets);
    cell.bytes += bytes;
    more.sums.packets += packets;
    more.sums.bytes += bytes;
    counter.gained = 0;
  }
  void add_to(Hook& hook, std::size_t cpu, std::uint32_t epoch, tl_counter& counter,
              std::uint64_t bytes) const {
    if (counter.epoch != epoch) close(hook, cpu, counter);
    counter.epoch = epoch;
    counter.gained += TL_ONE_PACKET + bytes;
  }
  void add(Hook& hook, std::size_t cpu, std::uint32_t epoch, std::size_t of, std::uint64_t bytes) {
    add_to(hook, cpu, epoch, series(hook, cpu, of), bytes);
  }
  static HookMemory memory(const Hook& hook) { return {hook.ring, hook.counters, {}}; }
  [[nodiscard]] BucketReader reader(std::uint64_t first) const {
    return {layout, 2, memory(rx), memory(tx), first};
  }
  CounterLayout layout;
  Hook rx, tx;
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

TEST_CASE("what was offered is read beside what was sent, bucket by bucket and in all") {
  Memory m;
  Memory::Hook queue = m.tx;  // as large
  m.add(m.tx, 0, 10, 1, 100);
  m.add(queue, 0, 10, 1, 100);
  m.add(queue, 1, 10, 2, 50);
  m.add(queue, 0, 11, 1, 7);
  BucketReader reader{
      m.layout, 2, Memory::memory(m.rx), Memory::memory(m.tx), 10, Memory::memory(queue)};
  std::vector<Bucket> buckets;
  reader.read_through(
      11, [] { return 12UL; }, [&](const Bucket& b) { buckets.push_back(b); });
  REQUIRE(buckets.size() == 2);
  CHECK(buckets[0].series[1].tx_bytes == 100);
  CHECK(buckets[0].offered[1].tx_bytes == 100);
  CHECK(buckets[0].offered[2].tx_bytes == 50);
  CHECK(buckets[1].series[1].tx_packets == 0);
  CHECK(buckets[1].offered[1].tx_bytes == 7);
  CHECK(buckets[1].offered[1].rx_bytes == 0);
  CHECK(reader.offered_totals()[1].tx_bytes == 107);
  CHECK(reader.offered_totals()[2].tx_packets == 1);
  CHECK(reader.totals()[1].tx_bytes == 100);

  BucketReader without = m.reader(10);
  without.read_through(
      10, [] { return 12UL; }, [](const Bucket& b) { CHECK(b.offered.empty()); });
  CHECK(without.offered_totals()[1] == CounterValues{});
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

TEST_CASE("a bucket is the same while its counters hold it and when the ring does") {
  Memory m;
  tl_counter& slot = m.slot(m.rx, 0, 7);
  slot.series = 1;
  m.add_to(m.rx, 0, 10, slot, 100);
  m.add_to(m.rx, 0, 10, slot, 1);
  m.add(m.rx, 0, 10, 1, 20);
  BucketReader early = m.reader(10), late = m.reader(10);
  CHECK(rx_bytes_of_series_1(early, 10, 11) == std::vector<std::uint64_t>{121});
  m.add_to(m.rx, 0, 12, slot, 5);
  CHECK(rx_bytes_of_series_1(late, 12, 13) == std::vector<std::uint64_t>{121, 0, 5});
  CHECK(rx_bytes_of_series_1(early, 12, 13) == std::vector<std::uint64_t>{0, 5});
}

TEST_CASE("a bucket that a step back in time left in the ring and in its counter is their sum") {
  Memory m;
  m.add(m.rx, 0, 11, 1, 3);
  m.add(m.rx, 0, 10, 1, 40);
  m.add(m.rx, 0, 11, 1, 500);
  BucketReader reader = m.reader(10);
  CHECK(rx_bytes_of_series_1(reader, 11, 12) == std::vector<std::uint64_t>{40, 503});
}

TEST_CASE("totals are those of the series and of the slots of its devices, on every CPU") {
  Memory m;
  m.slot(m.tx, 1, 3).series = 2;
  m.add_to(m.tx, 1, 10, m.slot(m.tx, 1, 3), 100);
  m.add(m.tx, 0, 10, 2, 20);
  m.add(m.tx, 0, 11, 2, 3);
  m.series(m.tx, 0, 2).extra_packets = 2;
  m.series(m.tx, 0, 2).extra_bytes = 132;
  const std::vector<CounterValues> totals = m.reader(10).totals();
  CHECK(totals.at(2) == CounterValues{0, 0, 123, 3, 0, 0, 255, 5});
  CHECK(totals.at(1) == CounterValues{});
}

// One thread does what the kernel side does, whose loads and stores the machine may reorder as it
// may those of a program: buckets of random lengths, closed at random.
TEST_CASE("a reader beside a writer sees every bucket and total whole") {
  Memory m;
  constexpr std::uint32_t kFirst = 10, kBuckets = 4000;
  std::atomic<std::uint32_t> written{kFirst}, read{kFirst};  // buckets below are complete
  const auto set = [](auto& field, auto value) {
    __atomic_store_n(&field, static_cast<std::remove_reference_t<decltype(field)>>(value),
                     __ATOMIC_RELAXED);
  };
  const auto next_version = [](std::uint32_t& version) {
    __atomic_exchange_n(&version, version + 1, __ATOMIC_SEQ_CST);
  };
  std::thread writer{[&] {
    tl_counter& counter = m.slot(m.rx, 0, 0);
    tl_counter_rest& rest = m.rest(counter);
    set(counter.series, 1);
    for (std::uint32_t epoch = kFirst; epoch < kFirst + kBuckets; ++epoch) {
      while (epoch > read + 4) std::this_thread::yield();  // the ring holds eight
      next_version(counter.version);
      if (counter.gained != 0) {
        tl_cell& cell = m.rx.ring[counter.epoch % m.layout.slots * m.layout.cells() + 1];
        set(cell.packets, counter.gained >> TL_PACKET_SHIFT);
        set(cell.bytes, counter.gained & TL_PACKET_BYTES);
        set(cell.epoch, counter.epoch);
        set(rest.sums.packets, rest.sums.packets + cell.packets);
        set(rest.sums.bytes, rest.sums.bytes + cell.bytes);
        set(counter.gained, 0);
      }
      set(counter.epoch, epoch);
      next_version(counter.version);
      for (std::uint32_t packet = 0; packet < 1 + epoch % 5; ++packet) {
        set(counter.gained, counter.gained + TL_ONE_PACKET + epoch);
      }
      written = epoch + 1;
    }
  }};
  BucketReader reader = m.reader(kFirst);
  std::uint64_t wrong = 0, seen = 0, total = 0;
  while (reader.next_epoch() < kFirst + kBuckets) {
    const std::uint32_t end = written;
    reader.read_through(
        end - 1, [&] { return std::uint64_t{end}; },
        [&](const Bucket& bucket) {
          const CounterValues& values = bucket.series[1];
          const std::uint64_t packets = 1 + bucket.epoch % 5;
          wrong += values.rx_packets != packets || values.rx_bytes != packets * bucket.epoch;
          seen += 1;
          total += values.rx_packets;
        });
    read = end;
    wrong += reader.totals().at(1).rx_packets < total;
  }
  writer.join();
  CHECK(wrong == 0);
  CHECK(seen == kBuckets);
  CHECK(reader.totals().at(1).rx_packets == total);
}

TEST_CASE("T09 two readers of one memory agree") {
  Memory m;
  for (std::uint32_t e = 10; e < 14; ++e) m.add(m.rx, e % 2, e, 1, e);
  BucketReader one = m.reader(10), two = m.reader(10);
  CHECK(rx_bytes_of_series_1(one, 13, 14) == rx_bytes_of_series_1(two, 13, 14));
}
}  // namespace tl::probe_bucket_reader_test
