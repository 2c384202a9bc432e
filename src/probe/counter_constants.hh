// The constants that all counter programs are loaded with (bpf/count.bpf.h).
#pragma once

#include "probe/counter_kernel.hh"

namespace tl {

// `rodata`: that of a skeleton, before loading. `cpus`: those the maps have room for.
template <class Rodata>
void set_counter_constants(Rodata& rodata, const CounterLayout& layout, std::uint32_t cpus) {
  rodata.tl_interval_ns = static_cast<std::uint64_t>(layout.interval_ns);
  rodata.tl_base_ns = static_cast<std::uint64_t>(layout.base_ns);
  rodata.tl_slot_mask = layout.slots - 1;
  rodata.tl_cpus = cpus;
  rodata.tl_device_series = layout.device_series;
  rodata.tl_ports = static_cast<std::uint32_t>(layout.ports.size());
  rodata.tl_mock_clock = layout.mock_clock;
  rodata.tl_count_unknown = layout.count_unknown;
}

}  // namespace tl
