// What libpcap knows: the language of filters (pcap-filter(7)) and the link type of devices.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tl {

// One instruction of classic BPF, laid out as the kernel's struct sock_filter.
struct FilterInstruction {
  std::uint16_t code = 0;
  std::uint8_t if_true = 0, if_false = 0;
  std::uint32_t operand = 0;
};

// Throws UsageError when libpcap does not understand the filter. Needs no privilege and no device.
void check_filter(const std::string& filter, std::uint32_t snaplen_bytes);

struct DeviceFilter {
  std::vector<FilterInstruction> program;  // keeps snaplen_bytes of what matches
  std::uint32_t link_type = 0;             // LINKTYPE_ of pcap files
};
// Compiles for a device of the calling thread's namespace, as the kernel sees its packets (a VLAN
// tag is no longer in the frame there). Throws UsageError (filter, no such device) or MachineError
// (privilege, device down, a link type without link-layer header of its own).
DeviceFilter compile_filter(const std::string& device, const std::string& filter,
                            std::uint32_t snaplen_bytes);

// "libpcap version 1.10.3 …", for accounts.
std::string filter_library();

}  // namespace tl
