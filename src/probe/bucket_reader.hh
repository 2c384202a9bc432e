// From the kernel's memory to finished buckets. Pure over HookMemory: tests run it on memory they
// make.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "bundle/counter_csv.hh"
#include "probe/counter_kernel.hh"

namespace tl {

// One bucket of every series: index = cell of the block (devices, port sides, unparsed).
struct Bucket {
  std::uint64_t epoch = 0;
  std::vector<CounterValues> series;
};

// A stretch of buckets whose memory was overwritten before it was read: [first, last].
struct Overrun {
  std::uint64_t first_epoch = 0, last_epoch = 0;
};

class BucketReader {
 public:
  // `rx` and `tx` must outlive this object. Reading starts with the bucket `first_epoch`.
  BucketReader(const CounterLayout& layout, std::uint32_t cpus, HookMemory rx, HookMemory tx,
               std::uint64_t first_epoch);

  // Hands every bucket up to `last_epoch` that was not read yet to `visit`, in order. The caller
  // has made sure that no program can still write to them (wait_for_grace_period). `current_epoch`
  // tells which bucket is being written now: asked again after each bucket was copied, so that one
  // overwritten meanwhile becomes an Overrun and is never shown.
  void read_through(std::uint64_t last_epoch, const std::function<std::uint64_t()>& current_epoch,
                    const std::function<void(const Bucket&)>& visit);

  [[nodiscard]] const std::vector<Overrun>& overruns() const { return overruns_; }
  [[nodiscard]] std::uint64_t next_epoch() const { return next_epoch_; }
  // Sums over all time of every series, from the kernel's cumulative totals.
  [[nodiscard]] std::vector<CounterValues> totals() const;

 private:
  void read(std::uint64_t epoch, Bucket& bucket) const;
  void note_overrun(std::uint64_t epoch);
  [[nodiscard]] bool still_held(std::uint64_t epoch, std::uint64_t current_epoch) const;
  CounterLayout layout_;
  std::uint32_t cpus_;
  HookMemory rx_, tx_;
  std::uint64_t next_epoch_;
  std::vector<Overrun> overruns_;
};

}  // namespace tl
