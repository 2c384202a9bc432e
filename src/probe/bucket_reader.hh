// From the kernel's memory to finished buckets. Pure over HookMemory: tests run it on memory they
// make.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "bundle/counter_csv.hh"
#include "probe/counter_kernel.hh"

namespace tl {

// One bucket of every series: index = cell of the block (devices, port sides, unparsed).
struct Bucket {
  std::uint64_t epoch = 0;
  std::vector<CounterValues> series;
  // The same cells, in tx_…: what was offered to queueing disciplines. Empty unless that counts.
  std::vector<CounterValues> offered;
};

// A stretch of buckets whose memory was overwritten before it was read: [first, last].
struct Overrun {
  std::uint64_t first_epoch = 0, last_epoch = 0;
};

class BucketReader {
 public:
  // The memory must outlive this object; `offered` may be empty. Reading starts with the bucket
  // `first_epoch`.
  BucketReader(const CounterLayout& layout, std::uint32_t cpus, HookMemory rx, HookMemory tx,
               std::uint64_t first_epoch, HookMemory offered = {});

  // Hands every bucket up to `last_epoch` that was not read yet to `visit`, in order. The caller
  // has made sure that no program can still write to them (wait_for_grace_period). `current_epoch`
  // tells which bucket is being written now: asked again after each bucket was copied, so that one
  // overwritten meanwhile becomes an Overrun and is never shown.
  void read_through(std::uint64_t last_epoch, const std::function<std::uint64_t()>& current_epoch,
                    const std::function<void(const Bucket&)>& visit);

  [[nodiscard]] const std::vector<Overrun>& overruns() const { return overruns_; }
  [[nodiscard]] std::uint64_t next_epoch() const { return next_epoch_; }
  // Sums over all time of every series, from the kernel's cumulative totals.
  [[nodiscard]] std::vector<CounterValues> totals();
  // The same of what was offered.
  [[nodiscard]] std::vector<CounterValues> offered_totals();

 private:
  // One hook: its memory, and what of it is not in the ring yet.
  class Source {
   public:
    Source(HookMemory memory, std::size_t cpus, std::uint32_t cells)
        : memory_{memory}, cpus_{cpus}, cells_{cells}, sums_(cells) {}
    // Finds the counters that were in one of these buckets when they were last used.
    void look(std::uint64_t first_epoch, std::uint64_t last_epoch);
    // Per series: what a bucket that is over has in `slot` of a CPU's ring, and in counters still.
    const std::vector<tl_sums>& read(std::size_t cpu, std::size_t slot, std::uint32_t epoch);
    // The same over all time.
    const std::vector<tl_sums>& totals(std::size_t cpu);

   private:
    struct Pending {
      std::size_t cpu;
      std::uint32_t epoch;
      std::size_t counter;
    };
    void add_total(std::span<const tl_counter> of_cpu, std::size_t i);

    HookMemory memory_;
    std::size_t cpus_;
    std::uint32_t cells_;
    std::vector<Pending> pending_;
    std::vector<std::size_t> wanted_;
    std::vector<tl_sums> sums_;
  };
  void read(std::uint64_t epoch, Bucket& bucket);
  void note_overrun(std::uint64_t epoch);
  [[nodiscard]] bool still_held(std::uint64_t epoch, std::uint64_t current_epoch) const;
  CounterLayout layout_;
  std::uint32_t cpus_;
  Source rx_, tx_;
  std::optional<Source> offered_;
  std::uint64_t next_epoch_;
  std::vector<Overrun> overruns_;
};

}  // namespace tl
