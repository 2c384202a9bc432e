// One measurement with the counters: grid, attaching, sealing, draining, and the account of what
// was lost. The lab's agent and the standalone command are two users of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "probe/bucket_reader.hh"
#include "probe/counter_kernel.hh"

namespace tl {

// Where the buckets lie: edges are multiples of the interval since the epoch. The offset between
// the two clocks is frozen, so that a clock step can neither stretch nor tear a bucket; it is
// audited and steps are recorded.
struct CounterGrid {
  std::int64_t interval_ns = 0;
  std::int64_t base_mono_ns = 0;  // begin of bucket 0
  std::int64_t base_real_ns = 0;
  ClockPair clock;
  [[nodiscard]] std::int64_t time_of(std::uint64_t epoch) const {
    return base_real_ns + static_cast<std::int64_t>(epoch) * interval_ns;
  }
  [[nodiscard]] std::uint64_t epoch_at(std::int64_t mono_ns) const {
    return static_cast<std::uint64_t>((mono_ns - base_mono_ns) / interval_ns);
  }
};
CounterGrid make_grid(std::int64_t interval_ns, const ClockPair& now);

class CounterSession {
 public:
  using Visit = std::function<void(const Bucket&)>;

  using Clocks = std::function<ClockPair()>;

  // Loads and attaches; nothing counts yet. `layout`'s base is set here. `clocks` is what the grid
  // and the audit of the clocks go by; tests step it.
  explicit CounterSession(
      CounterLayout layout, Clocks clocks = [] { return read_clock_pair(); });

  [[nodiscard]] CounterKernel& kernel() { return kernel_; }
  [[nodiscard]] const CounterGrid& grid() const { return grid_; }

  // From here on every packet is counted. Returns after a grace period: no program still sees the
  // gate closed.
  void start();
  // Undoes start(): gate closed, everything zero, no trace of what was counted.
  void restart();
  // Seals and hands on every bucket that has ended. Costs a grace period; call it every
  // drain_step().
  void drain(const Visit& visit);
  // 50 ms, less where the ring holds less than eight times that (100 us and hundreds of series).
  [[nodiscard]] std::chrono::nanoseconds drain_step() const;
  // Closes the gate: packets from now on are not counted, those of the grace period that it takes
  // perhaps.
  void close();
  // For who looked and saw that nothing was counted behind `mono_ns`: as if it had closed then.
  void close_as_of(std::int64_t mono_ns) { closed_ns_ = mono_ns; }
  // Closes the gate and hands on the rest, including the bucket in progress.
  void stop(const Visit& visit);

  // First bucket with counts, and one past the last: the dense range.
  [[nodiscard]] std::uint64_t first_epoch() const { return first_epoch_; }
  [[nodiscard]] std::uint64_t end_epoch() const { return reader_->next_epoch(); }
  [[nodiscard]] std::vector<CounterValues> totals() const { return reader_->totals(); }
  // What was offered to queueing disciplines, per series in tx_…; zeros unless that counts.
  [[nodiscard]] std::vector<CounterValues> offered() const { return reader_->offered_totals(); }
  // Packets that drivers refused, per device series (bytes and packets in tx_…); empty unless they
  // count.
  [[nodiscard]] std::vector<CounterValues> failed() const;
  // What was missed and what the clocks did: "losses", "clock", "grid" of counters.json.
  [[nodiscard]] nlohmann::json account() const;

 private:
  void audit_clock();
  void seal(std::uint64_t last_epoch, const Visit& visit);

  Clocks clocks_;
  CounterGrid grid_;
  CounterKernel kernel_;
  std::unique_ptr<BucketReader> reader_;
  std::uint64_t first_epoch_ = 0;
  std::int64_t opened_ns_ = 0, closed_ns_ = 0;  // of the gate, monotonic
  std::int64_t audited_ns_ = 0;                 // when both clocks were last compared
  std::vector<std::pair<std::int64_t, std::int64_t>>
      offsets_;  // monotonic time, offset: where it changed
  nlohmann::json steps_ = nlohmann::json::array();
};

}  // namespace tl
