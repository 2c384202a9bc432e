// The kernel side of the counters: loading, attaching, and the memory it shares. bpf/counters.h has
// the layout.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "counters.h"

namespace tl {

enum class Hook : std::size_t { rx, tx, offered, failed };
inline constexpr std::array<const char*, 4> kHookNames{"rx", "tx", "offered", "failed"};

// As which the programs are compiled.
enum class CounterVariant {
  fitting,  // what the kernel can have of the first two
  probing,  // reads kernel memory only by calls, as before Linux 6.2
  raw_tp    // for kernels without their own BTF
};

// Which programs are loaded, and how much memory they share.
struct CounterLayout {
  std::int64_t interval_ns = 10'000'000;
  std::int64_t base_ns = 0;  // CLOCK_MONOTONIC begin of bucket 0, at least one interval in the past
  std::uint32_t device_series = 64;  // with series 0, `other`
  std::vector<std::uint16_t> ports;  // up to 64
  std::uint32_t cpus = 0;   // that the maps have room for; 0: every CPU that may come online
  std::uint32_t slots = 0;  // buckets kept a CPU, a power of two; 0 chooses for about five seconds
  bool offered = false;     // also count before the qdisc
  bool refused = false;     // what drivers do not take may count: count_refused()
  CounterVariant variant = CounterVariant::fitting;  // another one: tests
  bool count_unknown = true;                         // give devices that were not named a series
  bool taps = true;           // count named devices by themselves (probe/counter_tap.hh)
  bool tcx = true;            // and not only at taps, but at traffic-control hooks
  bool shared_taps = true;    // tests: false, as if the kernel could not have one program for all
  bool mock_clock = false;    // tests: time is what set_mock_time says
  bool sees_openings = true;  // tests: false, as if the trace event of opened devices was missed

  [[nodiscard]] std::uint32_t cells() const {
    return device_series + static_cast<std::uint32_t>(ports.size()) * TL_PORT_SIDES + 1;
  }
};

static_assert(sizeof(tl_counter) == sizeof(tl_counter_rest));

// One hook's shared memory, read only. Empty spans for a hook that is not loaded.
struct HookMemory {
  std::span<const tl_cell> ring;  // [cpu][slot][cell]; empty for `failed`, which has sums alone
  std::span<const tl_counter>
      counters;  // [cpu][TL_DEVICE_SLOTS + cell], each CPU's with the rests behind
  std::span<const tl_hook_state> state;
  // How many counters a CPU has, and one of them.
  [[nodiscard]] static std::size_t count(std::uint32_t cells) { return TL_DEVICE_SLOTS + cells; }
  [[nodiscard]] std::span<const tl_counter> of_cpu(std::size_t cpu, std::uint32_t cells) const {
    return counters.subspan(cpu * 2 * count(cells), count(cells));
  }
  // The rest of a counter, given all of its CPU.
  [[nodiscard]] static const tl_counter_rest& rest(std::span<const tl_counter> of_cpu,
                                                   std::size_t i) {
    return reinterpret_cast<const tl_counter_rest&>(of_cpu.data()[of_cpu.size() + i]);
  }
};

struct ProgramFacts {
  std::uint64_t recursion_misses =
      0;  // events missed because the program was already running on that CPU
  std::uint64_t runs = 0, run_time_ns = 0;  // only while kernel.bpf_stats_enabled is 1
};

// A device to be counted in a series of its own.
struct ObservedDevice {
  tl_device_key key{};
  std::uint32_t type = 0;  // ARPHRD_…
  bool counts_ports = false;
  bool sends_what_tcx_sees = false;  // probe/tcx.hh
};

enum class CountedAt { trace_events, tap, tcx };

struct NamedDevice {
  std::uint32_t series = 0;
  CountedAt counted_at = CountedAt::trace_events;
};

class CounterKernel {
 public:
  // Loads and attaches everything, counting nothing yet. Throws MachineError with what is lacking
  // (BTF, capability) before anything is attached.
  explicit CounterKernel(const CounterLayout& layout);
  ~CounterKernel();
  CounterKernel(const CounterKernel&) = delete;
  CounterKernel& operator=(const CounterKernel&) = delete;

  // Gives a device of the calling thread's namespace the next series, and counts it by itself
  // unless the caller may not open packet sockets (CAP_NET_RAW); then the trace events count it.
  // Only before enable(true).
  NamedDevice name_device(const ObservedDevice& device);
  // What drivers do not take counts, too, which is one more trace event for each packet of the
  // machine. Needs the layout's `refused`; only before enable(true).
  void count_refused();
  [[nodiscard]] bool counts_refused() const;
  // Series whose taps lost their device. A device of the same name or number that came later is not
  // counted.
  [[nodiscard]] std::vector<std::uint32_t> lost_taps() const;
  // Opens or closes the gate of all hooks. What comes after it is closed is not counted, but for
  // packets that are being counted right then, for which wait_for_grace_period() waits.
  void enable(bool on);
  // Zeroes everything counted. Only while disabled and after a grace period.
  void clear();
  void set_mock_time(std::uint64_t now_ns);

  [[nodiscard]] const CounterLayout& layout() const;
  [[nodiscard]] std::uint32_t cpus() const;
  [[nodiscard]] HookMemory memory(Hook hook) const;
  // Devices that have a series, by series; `known` is 0 for free ones.
  [[nodiscard]] std::span<const tl_device> devices() const;
  // What the kernel says of a hook's program; nullopt when it does not say.
  [[nodiscard]] std::optional<ProgramFacts> program_facts(Hook hook) const;
  // For benchmarks: takes the programs from the trace events and from all devices, or puts them
  // back at the trace events.
  void attach(bool on);
  // For benchmarks and tests: the program's file descriptor, -1 when it is not loaded.
  [[nodiscard]] int program_fd(Hook hook) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Throws MachineError, naming the capability, when this thread may not load counters.
void require_counter_privileges();

// Returns once every packet event that was being counted when it was called has been: an RCU grace
// period.
void wait_for_grace_period();

// The key of a device of the namespace that the calling thread is in.
tl_device_key device_key(std::uint64_t netns_inode, int ifindex);

}  // namespace tl
