// How one observed device is counted by itself, which is more exact than the trace events
// (docs/limits.md): by programs at its traffic-control hooks where those see what the driver gets,
// else by a tap, a packet socket bound to it, whose filter counts and keeps nothing. Where the
// kernel can, all taps share one program, tl_tap of bpf/counters.bpf.c; elsewhere each has one of
// its own, bpf/counters_tap.bpf.c.
#pragma once

#include <cstdint>
#include <optional>

#include "base/fd.hh"
#include "probe/counter_kernel.hh"
#include "probe/tcx.hh"

struct bpf_object;

namespace tl {

class CounterTap {
 public:
  // Counts `device` into the maps of `counters`, a loaded object of the counter programs. The
  // calling thread is in the device's namespace. nullopt without the right to open packet sockets;
  // throws MachineError for any other failure.
  static std::optional<CounterTap> open(const bpf_object* counters, const CounterLayout& layout,
                                        const ObservedDevice& device,
                                        const tl_device_series& series);

  // False once its device was unregistered or moved to another namespace: it sees nothing more.
  [[nodiscard]] bool is_bound() const;
  [[nodiscard]] std::uint32_t series() const { return series_; }
  [[nodiscard]] CountedAt counted_at() const { return tcx_ ? CountedAt::tcx : CountedAt::tap; }

 private:
  CounterTap(UniqueFd socket, std::optional<TcxLinks> tcx, std::uint32_t series)
      : socket_{std::move(socket)}, tcx_{std::move(tcx)}, series_{series} {}

  UniqueFd socket_;  // holds a tap's program, and the program its maps; with tcx it sees no packet
  std::optional<TcxLinks> tcx_;
  std::uint32_t series_;
};

}  // namespace tl
