// The tap of one observed device: a packet socket bound to it, whose filter counts and keeps
// nothing. docs/limits.md says why it is more exact than the trace events. Where the kernel can,
// all taps share one program, tl_tap of bpf/counters.bpf.c; elsewhere each has one of its own,
// bpf/counters_tap.bpf.c.
#pragma once

#include <cstdint>
#include <optional>

#include "base/fd.hh"
#include "probe/counter_kernel.hh"

struct bpf_object;

namespace tl {

// Whether this kernel shows a socket filter the packet as it has it itself (since 6.2), which a
// program for all taps needs.
bool kernel_shares_taps();

class CounterTap {
 public:
  // Opens the tap of `key`'s device, which counts into the maps of `counters`, a loaded object of
  // the counter programs. The calling thread is in the device's namespace. nullopt without the
  // right to open packet sockets; throws MachineError for any other failure.
  static std::optional<CounterTap> open(const bpf_object* counters, const CounterLayout& layout,
                                        const tl_device_key& key, std::uint32_t type,
                                        const tl_device_series& series);

  // False once its device was unregistered or moved to another namespace: it sees nothing more.
  [[nodiscard]] bool is_bound() const;
  [[nodiscard]] std::uint32_t series() const { return series_; }

 private:
  CounterTap(UniqueFd socket, std::uint32_t series) : socket_{std::move(socket)}, series_{series} {}

  UniqueFd socket_;  // holds the program, and the program its maps
  std::uint32_t series_;
};

}  // namespace tl
