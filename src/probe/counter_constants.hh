// The constants that all counter programs are loaded with (bpf/count.bpf.h).
#pragma once

#include "probe/counter_kernel.hh"

namespace tl {

// `rodata`: that of a skeleton, before loading.
template <class Rodata>
void set_counter_constants(Rodata& rodata, const CounterLayout& layout) {
  rodata.tl_base_ns = static_cast<std::uint64_t>(layout.base_ns);
  rodata.tl_slot_mask = layout.slots - 1;
  rodata.tl_device_series = layout.device_series;
  rodata.tl_ports = static_cast<std::uint32_t>(layout.ports.size());
  rodata.tl_cells = layout.cells();
  rodata.tl_cpus = layout.cpus;
  rodata.tl_counts_offered = layout.offered;
  rodata.tl_count_unknown = layout.count_unknown;
}

}  // namespace tl
