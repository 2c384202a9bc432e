// UDP between any two namespaces, one datagram at a time known to the test.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.hh"
#include "base/netns.hh"

namespace tl::test {

// Receives what arrives at `address` and `port`: room for some ten thousand datagrams.
class UdpSink {
 public:
  UdpSink(const NetNs& netns, const std::string& address, std::uint16_t port);
  // Takes so many datagrams; returns how many came before nothing came for `patience_ms`.
  std::uint64_t take(std::uint64_t count, int patience_ms = 5000);
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
};

// Sends from `netns`. The source port is `source_port`, or one that the kernel chooses.
class UdpSource {
 public:
  explicit UdpSource(const NetNs& netns, std::uint16_t source_port = 0);
  // Sends so many datagrams; throws when the kernel does not take one.
  void send(const std::string& address, std::uint16_t port, std::uint32_t payload_bytes,
            std::uint64_t count) const;
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
};

}  // namespace tl::test
