#include "probe/bucket_reader.hh"

#include <algorithm>

namespace tl {

BucketReader::BucketReader(const CounterLayout& layout, std::uint32_t cpus, HookMemory rx,
                           HookMemory tx, std::uint64_t first_epoch)
    : layout_{layout}, cpus_{cpus}, rx_{rx}, tx_{tx}, next_epoch_{first_epoch} {}

void BucketReader::read(std::uint64_t epoch, Bucket& bucket) const {
  const std::size_t cells = layout_.cells();
  bucket.epoch = epoch;
  bucket.series.assign(cells, {});
  const auto stamp = static_cast<std::uint32_t>(epoch);
  for (std::size_t cpu = 0; cpu < cpus_; ++cpu) {
    const std::size_t at = (cpu * layout_.slots + (stamp & (layout_.slots - 1))) * cells;
    for (std::size_t i = 0; i < cells; ++i) {
      CounterValues& v = bucket.series[i];
      if (const tl_cell& rx = rx_.ring[at + i]; rx.epoch == stamp) {
        v.rx_bytes += rx.bytes;
        v.rx_packets += rx.packets;
        v.rx_wire_bytes += rx.wire_bytes;
        v.rx_wire_packets += rx.wire_packets;
      }
      if (const tl_cell& tx = tx_.ring[at + i]; tx.epoch == stamp) {
        v.tx_bytes += tx.bytes;
        v.tx_packets += tx.packets;
        v.tx_wire_bytes += tx.wire_bytes;
        v.tx_wire_packets += tx.wire_packets;
      }
    }
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
  for (; next_epoch_ <= last_epoch; ++next_epoch_) {
    read(next_epoch_, bucket);
    if (still_held(next_epoch_, current_epoch()))
      visit(bucket);
    else
      note_overrun(next_epoch_);
  }
}

std::vector<CounterValues> BucketReader::totals() const {
  const std::size_t cells = layout_.cells();
  std::vector<CounterValues> sums(cells);
  for (std::size_t cpu = 0; cpu < cpus_; ++cpu)
    for (std::size_t i = 0; i < cells; ++i) {
      const tl_total& rx = rx_.totals[cpu * cells + i];
      const tl_total& tx = tx_.totals[cpu * cells + i];
      sums[i] += {rx.bytes,      rx.packets,      tx.bytes,      tx.packets,
                  rx.wire_bytes, rx.wire_packets, tx.wire_bytes, tx.wire_packets};
    }
  return sums;
}

}  // namespace tl
