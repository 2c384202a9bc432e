// What this kernel lets the counter programs do.
#pragma once

namespace tl {

struct KernelAbilities {
  bool reads_directly = false;  // programs read kernel memory without calls (since 6.2), and find a
                                // packet's VLAN tag where bpf/packet.bpf.h looks for it
  bool shares_taps = false;     // shows a socket filter the packet as it has it itself (since 6.2),
                                // which a program for all taps needs
  bool has_tcx = false;         // since 6.6
};

// By the kernel's BTF; without it, nothing.
KernelAbilities kernel_abilities();

}  // namespace tl
