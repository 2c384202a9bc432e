#include "probe/counter_session.hh"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/fd.hh"

namespace tl {
namespace {

constexpr std::int64_t kAuditNs = 1'000'000'000;
// An offset that moved more was a clock step, not reading noise or slew, which adjtimex(2) limits
// to 500 ppm.
constexpr std::int64_t kLeastStepNs = 500'000;
constexpr std::int64_t kSlewPart = 2000;
constexpr std::int64_t kNoteworthyNs =
    1'000;  // smaller changes of the offset are not worth a record
// Two CPUs' clocks may differ by nanoseconds (ktime_get_mono_fast_ns): a bucket counts as over a
// little later.
constexpr std::int64_t kSkewMarginNs = 1'000'000;
constexpr std::chrono::nanoseconds kLongestDrainStep = std::chrono::milliseconds{50};

CounterLayout with_base(CounterLayout layout, const CounterGrid& grid) {
  layout.base_ns = grid.base_mono_ns - time_namespace_offset_ns();  // the programs' clock
  return layout;
}

}  // namespace

CounterGrid make_grid(std::int64_t interval_ns, const ClockPair& now) {
  CounterGrid grid;
  grid.interval_ns = interval_ns;
  grid.clock = now;
  // Bucket 0 lies two intervals back, so that a stamp of 0 in fresh memory is never a bucket with
  // packets.
  grid.base_real_ns = now.real_ns / interval_ns * interval_ns - 2 * interval_ns;
  grid.base_mono_ns = grid.base_real_ns - now.offset_ns();
  return grid;
}

CounterSession::CounterSession(CounterLayout layout, Clocks clocks)
    : clocks_{std::move(clocks)},
      grid_{make_grid(layout.interval_ns, clocks_())},
      kernel_{with_base(std::move(layout), grid_)} {
  offsets_.emplace_back(grid_.clock.mono_ns, grid_.clock.offset_ns());
  audited_ns_ = grid_.clock.mono_ns;
}

void CounterSession::start() {
  opened_ns_ = monotonic_ns();
  first_epoch_ = grid_.epoch_at(opened_ns_);
  kernel_.enable(true);
  wait_for_grace_period();
  reader_ = std::make_unique<BucketReader>(kernel_.layout(), kernel_.cpus(),
                                           kernel_.memory(Hook::rx), kernel_.memory(Hook::tx),
                                           first_epoch_, kernel_.memory(Hook::offered));
}

void CounterSession::restart() {
  kernel_.enable(false);
  wait_for_grace_period();
  kernel_.clear();
  start();
}

void CounterSession::seal(std::uint64_t last_epoch, const Visit& visit) {
  // A program reads the clock and stores its counts inside one RCU read-side section
  // (__bpf_trace_run), so after a grace period that began behind the bucket's end nothing can add
  // to it.
  wait_for_grace_period();
  reader_->read_through(
      last_epoch, [this] { return grid_.epoch_at(monotonic_ns()); }, visit);
}

void CounterSession::drain(const Visit& visit) {
  if (monotonic_ns() >= audited_ns_ + kAuditNs) audit_clock();
  const std::uint64_t current = grid_.epoch_at(monotonic_ns() - kSkewMarginNs);
  if (current > reader_->next_epoch()) seal(current - 1, visit);
}

std::chrono::nanoseconds CounterSession::drain_step() const {
  const std::chrono::nanoseconds ring{grid_.interval_ns * kernel_.layout().slots};
  return std::min(kLongestDrainStep, ring / 8);
}

void CounterSession::close() {
  kernel_.enable(false);
  if (closed_ns_ == 0) closed_ns_ = monotonic_ns();
}

void CounterSession::stop(const Visit& visit) {
  close();
  const std::uint64_t last = grid_.epoch_at(monotonic_ns());
  seal(last, visit);
  audit_clock();
}

std::vector<CounterValues> CounterSession::failed() const {
  const HookMemory memory = kernel_.memory(Hook::failed);
  const std::uint32_t cells = kernel_.layout().cells();
  if (!kernel_.counts_refused()) return {};
  std::vector<CounterValues> sums(cells);
  for (std::size_t cpu = 0; cpu < kernel_.cpus(); ++cpu) {
    const auto counters = memory.of_cpu(cpu, cells);
    for (std::uint32_t i = 0; i < cells; ++i) {  // no slots are used here, nor buckets
      const tl_sums& failed = HookMemory::rest(counters, TL_DEVICE_SLOTS + i).sums;
      sums[i].tx_bytes += failed.bytes;
      sums[i].tx_packets += failed.packets;
    }
  }
  return sums;
}

void CounterSession::audit_clock() {
  const ClockPair now = clocks_();
  const std::int64_t step_ns = kLeastStepNs + (now.mono_ns - audited_ns_) / kSlewPart;
  audited_ns_ = now.mono_ns;
  const std::int64_t change_ns = now.offset_ns() - offsets_.back().second;
  if (change_ns > step_ns || change_ns < -step_ns)
    steps_.push_back({{"monotonic_ns", now.mono_ns}, {"change_ns", change_ns}});
  if (change_ns > kNoteworthyNs || change_ns < -kNoteworthyNs)
    offsets_.emplace_back(now.mono_ns, now.offset_ns());
}

nlohmann::json CounterSession::account() const {
  nlohmann::json misses = nlohmann::json::object();
  nlohmann::json lost = nlohmann::json::object(), runs = nlohmann::json::object();
  for (std::size_t i = 0; i < kHookNames.size(); ++i) {
    const auto hook = static_cast<Hook>(i);
    if (kernel_.program_fd(hook) < 0 || (hook == Hook::failed && !kernel_.counts_refused()))
      continue;
    const auto facts = kernel_.program_facts(hook);
    misses[kHookNames[i]] = facts ? nlohmann::json(facts->recursion_misses) : nlohmann::json();
    if (facts) runs[kHookNames[i]] = facts->runs;
    std::uint64_t without_block = 0;
    for (const tl_hook_state& state : kernel_.memory(hook).state) without_block += state.lost;
    lost[kHookNames[i]] = without_block;
  }
  nlohmann::json overruns = nlohmann::json::array();
  for (const Overrun& o : reader_->overruns())
    overruns.push_back(
        {{"from_ns", grid_.time_of(o.first_epoch)}, {"to_ns", grid_.time_of(o.last_epoch + 1)}});
  nlohmann::json offsets = nlohmann::json::array();
  for (const auto& [mono_ns, offset_ns] : offsets_)
    offsets.push_back({{"monotonic_ns", mono_ns}, {"offset_ns", offset_ns}});
  return {
      {"grid",
       {{"base_mono_ns", grid_.base_mono_ns},
        {"base_real_ns", grid_.base_real_ns},
        {"uncertainty_ns", grid_.clock.uncertainty_ns},
        {"tai_offset_ns", tai_offset_ns(read_clocks())},
        {"boot_id", read_value("/proc/sys/kernel/random/boot_id")}}},
      {"clock", {{"offsets", offsets}, {"steps", steps_}}},
      {"opened_ns", opened_ns_ + grid_.clock.offset_ns()},
      {"closed_ns", closed_ns_ + grid_.clock.offset_ns()},
      {"library", fmt::format("libbpf {}", libbpf_version_string())},
      {"program_runs", runs},
      {"losses", {{"recursion_misses", misses}, {"without_block", lost}, {"overruns", overruns}}}};
}

}  // namespace tl
