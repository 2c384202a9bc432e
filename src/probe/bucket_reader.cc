#include "probe/bucket_reader.hh"

#include <algorithm>
#include <array>
#include <thread>

namespace tl {

namespace {

// The kernel side writes meanwhile. A load that acquires keeps its place before later ones.
template <class T>
T load(const T& value) {
  return __atomic_load_n(&value, __ATOMIC_ACQUIRE);
}

tl_sums load(const tl_sums& sums) {
  return {load(sums.packets), load(sums.bytes), load(sums.extra_packets), load(sums.extra_bytes)};
}

// What the counter's bucket gained so far.
tl_sums gained(const tl_counter& counter) {
  const std::uint64_t both = load(counter.gained);
  return {both >> TL_PACKET_SHIFT, both & TL_PACKET_BYTES, load(counter.extra_packets),
          load(counter.extra_bytes)};
}

void operator+=(tl_sums& a, const tl_sums& b) {
  a.packets += b.packets;
  a.bytes += b.bytes;
  a.extra_packets += b.extra_packets;
  a.extra_bytes += b.extra_bytes;
}

tl_sums sums_of(const tl_cell& cell) {
  return {cell.packets, cell.bytes, cell.extra_packets, cell.extra_bytes};
}

// Runs `read` until `version`, a number that is odd while what is read changes, is even and the
// same before and after. A change takes a program some nanoseconds, in which its CPU may be taken
// away.
template <class Version, class Read>
void undisturbed(const Version& version, const Read& read) {
  for (;;) {
    const auto before = version();
    const bool is_quiet = std::all_of(before.begin(), before.end(),
                                      [](std::uint32_t number) { return number % 2 == 0; });
    if (is_quiet) read();
    if (is_quiet && version() == before) return;
    std::this_thread::yield();
  }
}

void add_rx(CounterValues& values, const tl_sums& sums) {
  values.rx_packets += sums.packets;
  values.rx_bytes += sums.bytes;
  values.rx_wire_packets += sums.packets + sums.extra_packets;
  values.rx_wire_bytes += sums.bytes + sums.extra_bytes;
}

void add_tx(CounterValues& values, const tl_sums& sums) {
  values.tx_packets += sums.packets;
  values.tx_bytes += sums.bytes;
  values.tx_wire_packets += sums.packets + sums.extra_packets;
  values.tx_wire_bytes += sums.bytes + sums.extra_bytes;
}

void add_all(std::vector<CounterValues>& values, const std::vector<tl_sums>& sums,
             void (*add)(CounterValues&, const tl_sums&)) {
  for (std::size_t i = 0; i < sums.size(); ++i) add(values[i], sums[i]);
}

}  // namespace

BucketReader::BucketReader(const CounterLayout& layout, std::uint32_t cpus, HookMemory rx,
                           HookMemory tx, std::uint64_t first_epoch, HookMemory offered)
    : layout_{layout},
      cpus_{cpus},
      rx_{rx, cpus, layout.cells()},
      tx_{tx, cpus, layout.cells()},
      next_epoch_{first_epoch} {
  if (!offered.counters.empty()) offered_.emplace(offered, cpus, layout.cells());
}

// What was in a later bucket had put these into the ring before; what was in an earlier one gained
// nothing since, as these buckets are over.
void BucketReader::Source::look(std::uint64_t first_epoch, std::uint64_t last_epoch) {
  const auto first = static_cast<std::uint32_t>(first_epoch);
  const auto count = static_cast<std::uint32_t>(last_epoch - first_epoch);
  pending_.clear();
  for (std::size_t cpu = 0; cpu < cpus_; ++cpu) {
    const auto counters = memory_.of_cpu(cpu, cells_);
    for (std::size_t i = 0; i < counters.size(); ++i) {
      std::uint32_t epoch = 0;
      undisturbed([&] { return std::array{load(counters[i].version)}; },
                  [&] { epoch = load(counters[i].epoch); });
      if (epoch - first <= count) pending_.push_back({cpu, epoch, i});
    }
  }
}

// A counter that waits for its next packet may go into the ring at any moment: the ring and all
// such counters are looked at together.
const std::vector<tl_sums>& BucketReader::Source::read(std::size_t cpu, std::size_t slot,
                                                       std::uint32_t epoch) {
  wanted_.clear();
  for (const Pending& pending : pending_)
    if (pending.cpu == cpu && pending.epoch == epoch) wanted_.push_back(pending.counter);
  const auto counters = memory_.of_cpu(cpu, cells_);
  const auto versions = [&] {
    std::vector<std::uint32_t> all(wanted_.size());
    std::transform(wanted_.begin(), wanted_.end(), all.begin(),
                   [&](std::size_t i) { return load(counters[i].version); });
    return all;
  };
  const std::span cells = memory_.ring.subspan(slot * cells_, cells_);
  undisturbed(versions, [&] {
    for (std::size_t i = 0; i < cells_; ++i)
      sums_[i] = load(cells[i].epoch) == epoch ? sums_of(cells[i]) : tl_sums{};
    for (const std::size_t i : wanted_)
      if (load(counters[i].epoch) == epoch)
        sums_.at(load(counters[i].series)) += gained(counters[i]);
  });
  return sums_;
}

void BucketReader::Source::add_total(std::span<const tl_counter> of_cpu, std::size_t i) {
  tl_sums total;
  undisturbed([&] { return std::array{load(of_cpu[i].version)}; },
              [&] {
                total = load(HookMemory::rest(of_cpu, i).sums);
                total += gained(of_cpu[i]);
              });
  sums_.at(load(of_cpu[i].series)) += total;
}

const std::vector<tl_sums>& BucketReader::Source::totals(std::size_t cpu) {
  const auto counters = memory_.of_cpu(cpu, cells_);
  undisturbed([&] { return std::array{load(HookMemory::rest(counters, 0).moves)}; },
              [&] {
                std::fill(sums_.begin(), sums_.end(), tl_sums{});
                for (std::size_t i = 0; i < counters.size(); ++i) add_total(counters, i);
              });
  return sums_;
}

void BucketReader::read(std::uint64_t epoch, Bucket& bucket) {
  bucket.epoch = epoch;
  bucket.series.assign(layout_.cells(), {});
  bucket.offered.assign(offered_ ? layout_.cells() : 0, {});
  const auto stamp = static_cast<std::uint32_t>(epoch);
  for (std::size_t cpu = 0; cpu < cpus_; ++cpu) {
    const std::size_t slot = cpu * layout_.slots + (stamp & (layout_.slots - 1));
    add_all(bucket.series, rx_.read(cpu, slot, stamp), add_rx);
    add_all(bucket.series, tx_.read(cpu, slot, stamp), add_tx);
    if (offered_) add_all(bucket.offered, offered_->read(cpu, slot, stamp), add_tx);
  }
}

// The bucket in progress may be written, and the one before it by a packet whose time lies just
// before the edge; with them a lap of the ring begins to overwrite the oldest.
bool BucketReader::still_held(std::uint64_t epoch, std::uint64_t current_epoch) const {
  return current_epoch < epoch + layout_.slots - 1;
}

void BucketReader::note_overrun(std::uint64_t epoch) {
  if (!overruns_.empty() && overruns_.back().last_epoch + 1 == epoch)
    overruns_.back().last_epoch = epoch;
  else
    overruns_.push_back({epoch, epoch});
}

void BucketReader::read_through(std::uint64_t last_epoch,
                                const std::function<std::uint64_t()>& current_epoch,
                                const std::function<void(const Bucket&)>& visit) {
  Bucket bucket;
  if (last_epoch >= next_epoch_) {
    rx_.look(next_epoch_, last_epoch);
    tx_.look(next_epoch_, last_epoch);
    if (offered_) offered_->look(next_epoch_, last_epoch);
  }
  for (; next_epoch_ <= last_epoch; ++next_epoch_) {
    read(next_epoch_, bucket);
    if (still_held(next_epoch_, current_epoch()))
      visit(bucket);
    else
      note_overrun(next_epoch_);
  }
}

std::vector<CounterValues> BucketReader::totals() {
  std::vector<CounterValues> sums(layout_.cells());
  for (std::size_t cpu = 0; cpu < cpus_; ++cpu) {
    add_all(sums, rx_.totals(cpu), add_rx);
    add_all(sums, tx_.totals(cpu), add_tx);
  }
  return sums;
}

std::vector<CounterValues> BucketReader::offered_totals() {
  std::vector<CounterValues> sums(layout_.cells());
  for (std::size_t cpu = 0; offered_ && cpu < cpus_; ++cpu)
    add_all(sums, offered_->totals(cpu), add_tx);
  return sums;
}

}  // namespace tl
