// Two network namespaces joined by a veth pair whose ends are both called eth0, and UDP traffic
// between them. Quiet: no IPv6, no ARP, so that a packet on the wire is one that a test sent.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "base/netns.hh"

namespace tl::test {

class VethPair {
 public:
  VethPair();
  NetNs left, right;  // 198.18.0.1 and 198.18.0.2
  // Takes the pair away, as when a container ends.
  void remove() const;
};

// A path by which child processes of this test can open the namespace.
std::string path_of(const NetNs& netns);

constexpr std::uint16_t kWantedPort = 9000, kNoisePort = 9001;
constexpr std::uint32_t kHeaderBytes = 14 + 20 + 8;  // Ethernet, IPv4, UDP

// Sends UDP from left to right, where nobody listens but a socket takes what arrives. The first
// eight bytes of each payload are the datagram's number, from 0.
class UdpSender {
 public:
  UdpSender(const VethPair& pair, std::uint16_t port, std::uint32_t payload_bytes = 100);
  ~UdpSender();
  UdpSender(const UdpSender&) = delete;
  UdpSender& operator=(const UdpSender&) = delete;

  // Sends so many; throws when the kernel does not take one.
  void send(std::uint64_t count);
  // One super-packet of `segments` payloads (UDP_SEGMENT, udp(7)).
  void send_super_packet(std::uint32_t segments);
  // Sends until stop(), as fast as it goes or about `per_second`; from a thread.
  void flood(std::uint64_t per_second = 0);
  void stop();
  [[nodiscard]] std::uint64_t sent() const { return sent_; }

 private:
  UniqueFd socket_, sink_;
  std::uint32_t payload_bytes_;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace tl::test
