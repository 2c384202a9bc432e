// IPv4 subnets for labs, from 198.18.0.0/15 (RFC 2544: reserved for benchmarks, so nobody's
// network).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tl {

struct Subnet {
  std::uint32_t base = 0;  // network address, host byte order
  int prefix_length = 0;
  [[nodiscard]] bool overlaps(const Subnet& other) const;
  // The address number `index` of the subnet: 1 is the first usable.
  [[nodiscard]] std::string address(std::uint32_t index) const;
  [[nodiscard]] std::string text() const;  // "198.18.0.0/28"
};

// Throws UsageError for anything that is not A.B.C.D/N.
Subnet parse_subnet(const std::string& text);
// The first /28 of 198.18.0.0/15 that overlaps none of `taken`. Throws MachineError when there is
// none.
Subnet free_subnet(const std::vector<Subnet>& taken);
// The IPv4 subnets that devices of the calling thread's namespace have addresses in, and those it
// has routes to (a VPN's, for instance).
std::vector<Subnet> local_subnets();

}  // namespace tl
