#include "probe/counter_kernel.hh"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <map>

#include "base/errors.hh"
#include "base/fd.hh"
#include "base/privileges.hh"
#include "probe/bpf_messages.hh"
#include "probe/counter_programs.hh"
#include "probe/counter_tap.hh"
#include "probe/kernel_abilities.hh"
#include "probe/load_time.hh"

namespace tl {
namespace {

// A ring holds five seconds where that fits into the bytes, and a tenth of a second, two drains of
// its reader, whatever it takes.
constexpr std::uint64_t kRingTimeNs = 5'000'000'000, kLeastRingTimeNs = 100'000'000;
constexpr std::uint32_t kMinSlots = 64, kMaxSlots = 16'384;
constexpr std::uint32_t kMaxCells = 65'536;           // what tl_counter.series can tell apart
constexpr std::uint64_t kMaxRingBytes = 20ULL << 20;  // of one hook; two are always mapped

// How far into a value the verifier lets a program reach (BPF_MAX_VAR_OFF, linux/bpf_verifier.h).
constexpr std::size_t kMaxCounterBytes = 1UL << 29;

// The trace event program of devices that open.
constexpr const char* kOpenings = "tl_opened";

// A map's memory in this process.
class Mapping {
 public:
  Mapping() = default;
  Mapping(int fd, std::size_t bytes, const char* name) : bytes_{bytes} {
    address_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address_ == MAP_FAILED) throw_errno("map memory of", name);
  }
  Mapping(Mapping&& other) noexcept
      : address_{std::exchange(other.address_, nullptr)}, bytes_{std::exchange(other.bytes_, 0)} {}
  Mapping& operator=(Mapping other) noexcept {
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping() {
    if (address_ != nullptr && address_ != MAP_FAILED) ::munmap(address_, bytes_);
  }
  template <class T>
  [[nodiscard]] std::span<T> as() const {
    return {static_cast<T*>(address_), bytes_ / sizeof(T)};
  }
  void zero() { std::memset(address_, 0, bytes_); }

 private:
  void* address_ = nullptr;
  std::size_t bytes_ = 0;
};

// Array values are spaced by multiples of eight bytes (arraymap.c), which all of ours are.
std::size_t map_bytes(const bpf_map* map) {
  return std::size_t{bpf_map__value_size(map)} * bpf_map__max_entries(map);
}

// The kernel waits for two grace periods to attach to a device's hooks and for two more to let go,
// some 25 ms each on two CPUs; whoever counts hundreds of devices gets taps for the rest, which
// wait for one at the end.
constexpr std::ptrdiff_t kMostAtTcx = 64;

// Without it the kernel refuses programs of that type (bpf_prog_load, kernel/bpf/syscall.c).
bool may_use_tcx() { return has_capability("CAP_NET_ADMIN") || has_capability("CAP_SYS_ADMIN"); }

std::uint32_t chosen_slots(const CounterLayout& layout) {
  if (layout.slots != 0) return std::bit_ceil(layout.slots);
  const auto slots_for = [&](std::uint64_t time_ns) {
    return std::bit_ceil(static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
        time_ns / static_cast<std::uint64_t>(layout.interval_ns), kMinSlots, kMaxSlots)));
  };
  std::uint32_t slots = slots_for(kRingTimeNs);
  const std::uint64_t slot_bytes = std::uint64_t{layout.cpus} * layout.cells() * sizeof(tl_cell);
  while (slots > slots_for(kLeastRingTimeNs) && slots * slot_bytes > kMaxRingBytes) slots /= 2;
  return slots;
}

// With what it leaves to be chosen.
CounterLayout completed(CounterLayout layout) {
  if (layout.cpus == 0) layout.cpus = static_cast<std::uint32_t>(libbpf_num_possible_cpus());
  layout.slots = chosen_slots(layout);
  return layout;
}

}  // namespace

struct CounterKernel::Impl {
  explicit Impl(const CounterLayout& complete) : layout{complete}, programs{complete} {}

  CounterLayout layout;
  CounterPrograms programs;
  struct HookMappings {
    Mapping ring, counters, state;
  };
  std::array<HookMappings, 4> hooks;
  Mapping devices, ports;
  std::vector<CounterTap> taps;

  // Of each packet there are two, of which one is loaded: where every device counts at the trace
  // events, none needs to be asked for.
  [[nodiscard]] bool skips() const { return layout.taps || !layout.count_unknown; }
  bpf_program* program(Hook hook) const {
    const char* which = is_of_packets(hook) && skips() ? "_skipping" : "";
    return programs.program(
        fmt::format("tl_{}{}", kHookNames.at(static_cast<std::size_t>(hook)), which));
  }
  static bool is_of_packets(Hook hook) { return hook == Hook::rx || hook == Hook::tx; }
  bool loads(Hook hook) const {
    return hook == Hook::offered ? layout.offered : hook != Hook::failed || layout.refused;
  }
  static bool has_ring(Hook hook) { return hook != Hook::failed; }  // else only sums

  void set_control() const {
    volatile tl_control& control = programs.control();
    control.interval_ns = static_cast<std::uint64_t>(layout.interval_ns);
    control.mode = layout.mock_clock ? TL_MOCKING : 0U;
    control.next_series = 1;
  }

  void set_counting(bool on) const {
    volatile tl_control& control = programs.control();
    control.usual_interval_ns = 0;
    control.mode = on ? control.mode | TL_COUNTING : control.mode & ~TL_COUNTING;
    const bool is_usual = control.mode == TL_COUNTING && control.interval_ns <= UINT32_MAX;
    if (is_usual) control.usual_interval_ns = control.interval_ns;
    if (!on) stop_slots();
  }

  // Slots that are in use do not look at the mode. After a grace period no program puts the
  // interval into one that it had read before.
  void stop_slots() const {
    wait_for_grace_period();
    const std::size_t count = HookMemory::count(layout.cells());
    for (const HookMappings& hook : hooks) {
      const auto counters = hook.counters.as<tl_counter>();
      for (std::size_t cpu = 0; cpu * 2 * count < counters.size(); ++cpu)
        for (tl_counter& slot : counters.subspan(cpu * 2 * count, TL_DEVICE_SLOTS))
          if (std::atomic_ref interval{slot.interval_ns}; interval.load() != 0) interval.store(0);
    }
  }

  static void size(bpf_map* map, std::size_t entries, std::size_t value_bytes) {
    if (bpf_map__set_max_entries(map, static_cast<__u32>(entries)) != 0 ||
        bpf_map__set_value_size(map, static_cast<__u32>(value_bytes)) != 0)
      throw MachineError{fmt::format("load counters: cannot size map {}", bpf_map__name(map))};
  }

  void size_maps() const {
    for (std::size_t i = 0; i < kHookNames.size(); ++i) {
      const std::string hook = kHookNames[i];
      if (has_ring(static_cast<Hook>(i)))
        size(programs.map(hook + "_ring"),
             loads(static_cast<Hook>(i)) ? std::size_t{layout.cpus} * layout.slots : 1,
             layout.cells() * sizeof(tl_cell));
      size(programs.map(hook + "_state"), 1, sizeof(tl_hook_state));
    }
    size(programs.map("devices"), layout.device_series, sizeof(tl_device));
  }

  // Made here rather than by libbpf, as the instructions name them before it loads anything.
  void make_counters() const {
    const std::size_t cpu_bytes = 2 * HookMemory::count(layout.cells()) * sizeof(tl_counter);
    std::map<int, int> memory;
    for (std::size_t i = 0; i < kHookNames.size(); ++i) {
      const std::size_t bytes = loads(static_cast<Hook>(i)) ? layout.cpus * cpu_bytes : cpu_bytes;
      if (bytes >= kMaxCounterBytes)
        throw UsageError{
            fmt::format("series: {} MB of counters for this machine's CPUs are too "
                        "many, the kernel allows 512 (choose fewer)",
                        bytes >> 20)};
      memory[TL_FOR_RX_COUNTERS + static_cast<int>(i)] =
          programs.make_map(std::string{kHookNames[i]} + "_counters", bytes);
    }
    set_load_time(programs.object(),
                  {{TL_FOR_CPUS, static_cast<std::int32_t>(layout.cpus)},
                   {TL_FOR_CPU_BYTES, static_cast<std::int32_t>(cpu_bytes)}},
                  memory);
  }

  void choose_programs() const {
    for (std::size_t i = 0; i < kHookNames.size(); ++i)
      bpf_program__set_autoload(program(static_cast<Hook>(i)), loads(static_cast<Hook>(i)));
    for (const char* name : {"tl_rx", "tl_tx"})
      bpf_program__set_autoload(programs.program(name + std::string{skips() ? "" : "_skipping"}),
                                false);
    if (!layout.sees_openings) bpf_program__set_autoload(programs.program(kOpenings), false);
    if (programs.program("tl_tap") == nullptr) return;  // the variant has the trace events alone
    const KernelAbilities can = kernel_abilities();
    const bool loads_tap = layout.taps && layout.shared_taps && can.shares_taps;
    const bool loads_tcx = layout.taps && layout.tcx && can.has_tcx && may_use_tcx();
    bpf_program__set_autoload(programs.program("tl_tap"), loads_tap);
    for (const char* name : {"tl_tcx_rx", "tl_tcx_tx"})
      bpf_program__set_autoload(programs.program(name), loads_tcx);
  }

  void map_memory() {
    for (std::size_t i = 0; i < kHookNames.size(); ++i) {
      if (!loads(static_cast<Hook>(i))) continue;
      const auto mapping = [&](const char* suffix) {
        const bpf_map* m = programs.map(std::string{kHookNames[i]} + suffix);
        return Mapping{bpf_map__fd(m), map_bytes(m), bpf_map__name(m)};
      };
      hooks[i] = {has_ring(static_cast<Hook>(i)) ? mapping("_ring") : Mapping{},
                  mapping("_counters"), mapping("_state")};
    }
    const bpf_map* device_map = programs.map("devices");
    devices = Mapping{bpf_map__fd(device_map), map_bytes(device_map), "devices"};
    const bpf_map* port_map = programs.map("port_table");
    ports = Mapping{bpf_map__fd(port_map), map_bytes(port_map), "port_table"};
    auto table = ports.as<std::uint8_t>();
    for (std::size_t i = 0; i < layout.ports.size(); ++i)
      table[layout.ports[i]] = static_cast<std::uint8_t>(i + 1);
  }

  // Each series' own counter says which one it is.
  void number_counters() {
    const std::size_t count = HookMemory::count(layout.cells());
    for (const HookMappings& hook : hooks) {
      const auto counters = hook.counters.as<tl_counter>();
      for (std::size_t i = 0; i < counters.size(); ++i)
        if (const std::size_t of_cpu = i % (2 * count); of_cpu >= TL_DEVICE_SLOTS && of_cpu < count)
          counters[i].series = static_cast<std::uint16_t>(of_cpu - TL_DEVICE_SLOTS);
    }
  }

  // Where only devices count that are counted by themselves, the trace events of packets are left
  // alone.
  void want_packets(bool wanted) const {
    for (const Hook hook : {Hook::rx, Hook::tx}) bpf_program__set_autoattach(program(hook), wanted);
  }
  void want_refused(bool wanted) const {
    bpf_program__set_autoattach(program(Hook::failed), wanted);
  }
  void want_openings(bool wanted) const {
    bpf_program__set_autoattach(programs.program(kOpenings), wanted);
  }

  bool may_have_tcx() const {
    return std::count_if(taps.begin(), taps.end(), [](const CounterTap& tap) {
             return tap.counted_at() == CountedAt::tcx;
           }) < kMostAtTcx;
  }
};

CounterKernel::CounterKernel(const CounterLayout& layout) {
  require_counter_privileges();
  keep_libbpf_messages();
  if (layout.ports.size() > 64) throw UsageError{"ports: at most 64 at once"};
  if (layout.cells() > kMaxCells)
    throw UsageError{fmt::format("series: at most {} at once, ports included", kMaxCells)};
  impl_ = std::make_unique<Impl>(completed(layout));
  impl_->size_maps();
  impl_->make_counters();
  impl_->choose_programs();
  impl_->programs.load();
  impl_->set_control();
  impl_->map_memory();
  impl_->number_counters();
  impl_->want_packets(layout.count_unknown);
  impl_->want_openings(layout.count_unknown);
  impl_->want_refused(false);
  impl_->programs.attach();
}

CounterKernel::~CounterKernel() = default;

NamedDevice CounterKernel::name_device(const ObservedDevice& device) {
  const bool has_ports = device.counts_ports && !impl_->layout.ports.empty();
  tl_device_series value{TL_SERIES_OTHER, has_ports ? TL_COUNTS_PORTS : 0U};
  if (impl_->programs.control().next_series < impl_->layout.device_series) {
    value.series = impl_->programs.control().next_series;
    impl_->programs.control().next_series = value.series + 1;
    impl_->devices.as<tl_device>()[value.series] = {device.key, device.type, 1};
  }
  NamedDevice named{value.series, CountedAt::trace_events};
  if (impl_->layout.taps) {
    ObservedDevice observed = device;
    observed.sends_what_tcx_sees = device.sends_what_tcx_sees && impl_->may_have_tcx();
    if (auto tap = CounterTap::open(impl_->programs.object(), impl_->layout, observed, value)) {
      named.counted_at = tap->counted_at();
      impl_->taps.push_back(std::move(*tap));
      value.flags |= TL_TAPPED;
    }
  }
  const bpf_map* table = impl_->programs.map("device_table");
  if (bpf_map_update_elem(bpf_map__fd(table), &device.key, &value, BPF_ANY) != 0)
    throw_errno("name device in", "counter programs");
  if (named.counted_at == CountedAt::trace_events) impl_->want_packets(true);
  // A tap ends where its device moves to another namespace; the others have to see that.
  if (named.counted_at != CountedAt::tap) {
    impl_->want_openings(true);
    impl_->programs.attach();
  }
  return named;
}

void CounterKernel::count_refused() {
  impl_->want_refused(true);
  impl_->programs.attach();
}

bool CounterKernel::counts_refused() const {
  return bpf_program__autoattach(impl_->program(Hook::failed));
}

std::vector<std::uint32_t> CounterKernel::lost_taps() const {
  std::vector<std::uint32_t> series;
  for (const CounterTap& tap : impl_->taps)
    if (!tap.is_bound()) series.push_back(tap.series());
  return series;
}

void CounterKernel::attach(bool on) {
  if (on) return impl_->programs.attach();
  impl_->programs.detach();
  impl_->taps.clear();
}

void CounterKernel::enable(bool on) { impl_->set_counting(on); }

void CounterKernel::clear() {
  for (Impl::HookMappings& hook : impl_->hooks)
    for (Mapping* m : {&hook.ring, &hook.counters, &hook.state})
      if (!m->as<char>().empty()) m->zero();
  impl_->number_counters();
}

void CounterKernel::set_mock_time(std::uint64_t now_ns) {
  impl_->programs.control().mock_now_ns = now_ns;
}

const CounterLayout& CounterKernel::layout() const { return impl_->layout; }
std::uint32_t CounterKernel::cpus() const { return impl_->layout.cpus; }

HookMemory CounterKernel::memory(Hook hook) const {
  const Impl::HookMappings& m = impl_->hooks.at(static_cast<std::size_t>(hook));
  return {m.ring.as<const tl_cell>(), m.counters.as<const tl_counter>(),
          m.state.as<const tl_hook_state>()};
}

std::span<const tl_device> CounterKernel::devices() const {
  return impl_->devices.as<const tl_device>();
}

int CounterKernel::program_fd(Hook hook) const {
  return impl_->loads(hook) ? bpf_program__fd(impl_->program(hook)) : -1;
}

std::optional<ProgramFacts> CounterKernel::program_facts(Hook hook) const {
  bpf_prog_info info{};
  __u32 length = sizeof info;
  const int fd = program_fd(hook);
  if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &length) != 0) return std::nullopt;
  return ProgramFacts{info.recursion_misses, info.run_cnt, info.run_time_ns};
}

void require_counter_privileges() {
  if (has_capability("CAP_SYS_ADMIN")) return;
  for (const char* name : {"CAP_BPF", "CAP_PERFMON"})
    if (!has_capability(name))
      throw MachineError{fmt::format(
          "load counters: {} is lacking (run as root, or with CAP_BPF and CAP_PERFMON)", name)};
}

void wait_for_grace_period() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0)
    throw_errno("wait for", "a grace period (membarrier)");
}

tl_device_key device_key(std::uint64_t netns_inode, int ifindex) {
  std::uint64_t cookie = 0;
  const UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  socklen_t length = sizeof cookie;
#ifndef SO_NETNS_COOKIE
  constexpr int SO_NETNS_COOKIE = 71;  // asm-generic/socket.h since 5.14
#endif
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0) cookie = 0;
  return {cookie, static_cast<std::uint32_t>(netns_inode), static_cast<std::uint32_t>(ifindex)};
}

}  // namespace tl
