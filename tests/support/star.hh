// Namespaces around a bridge, as containers are around docker0: each leaf's eth0 is one end of a
// veth pair whose other end is a port of br0 in the hub. Quiet: no IPv6, static neighbours, no
// snooping, so that a packet on the wire is one that a test sent.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/netns.hh"

namespace tl::test {

class Star {
 public:
  explicit Star(std::size_t leaves);
  NetNs hub;                  // br0 and port0, port1, …; 198.18.0.254
  std::vector<NetNs> leaves;  // eth0; 198.18.0.1, .2, …

  static std::string address(std::size_t leaf);
  static constexpr const char* kHubAddress = "198.18.0.254";
  static constexpr const char* kBroadcast = "198.18.0.255";
};

// Runs `PROGRAM WORDS…`, the words separated by spaces, in a namespace. Throws when it fails.
void run_in(const NetNs& netns, const std::string& program, const std::string& words);
// The same for `ip` and `tc`.
void ip_in(const NetNs& netns, const std::string& words);
void tc_in(const NetNs& netns, const std::string& words);
// A new namespace whose devices never speak IPv6, which would do so unasked.
NetNs quiet_netns();
// Writes a value below /proc/sys/net, which is the namespace's own.
void set_sysctl(const NetNs& netns, const std::string& name, const std::string& value);

}  // namespace tl::test
