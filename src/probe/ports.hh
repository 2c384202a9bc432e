// The ports that are counted, as people name them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tl {

// Each port once, in the order of first mention: a packet is counted in one series of its port, so
// that a second one would stay zero.
inline std::vector<std::uint16_t> distinct_ports(const std::vector<std::uint16_t>& named) {
  std::vector<std::uint16_t> ports;
  for (const std::uint16_t port : named)
    if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
  return ports;
}

}  // namespace tl
