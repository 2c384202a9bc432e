// One TCP connection between two namespaces, and ways to push bytes through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/fd.hh"
#include "base/netns.hh"

namespace tl::test {

// By which system calls the bytes leave: each leaves them elsewhere in the packet.
enum class SendWay : std::uint8_t { send, sendfile, zerocopy, splice };

class TcpStream {
 public:
  // Connects from `client` to `address` (IPv4 or IPv6) in `server`. `window_bytes` bounds what is
  // under way, so that no queue between them overflows.
  TcpStream(const NetNs& client, const NetNs& server, const std::string& address,
            std::uint16_t port, int window_bytes = 256 << 10);

  // Sends so many bytes and waits until the other side has read them all.
  void to_server(std::size_t bytes, SendWay way = SendWay::send) const;
  void to_client(std::size_t bytes) const;
  void both_ways(std::size_t bytes) const;
  // Closes both sides and waits until the client has acknowledged the end.
  void close();

 private:
  UniqueFd client_, server_;
};

}  // namespace tl::test
