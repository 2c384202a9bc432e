#include "support/datagrams.hh"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "base/errors.hh"

namespace tl::test {
namespace {

sockaddr_in address_of(const std::string& text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, text.c_str(), &address.sin_addr) != 1)
    throw MachineError{"no IPv4 address: " + text};
  return address;
}

UniqueFd bound_socket(const NetNs& netns, const std::string& address, std::uint16_t port) {
  return netns.run([&] {
    UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const int on = 1;
    if (!socket.valid() ||
        ::setsockopt(socket.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on) != 0 ||
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
      throw_errno("make", "UDP socket");
    const sockaddr_in local = address_of(address, port);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0)
      throw_errno("bind a UDP socket to", address);
    return socket;
  });
}

}  // namespace

UdpSink::UdpSink(const NetNs& netns, const std::string& address, std::uint16_t port)
    : socket_{bound_socket(netns, address, port)} {
  const int room = 64 << 20;
  if (::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
    throw_errno("make room in", "UDP sink");
}

std::uint64_t UdpSink::take(std::uint64_t count, int patience_ms) {
  std::array<char, 65536> buffer;
  for (std::uint64_t taken = 0; taken < count; ++taken) {
    pollfd ready{socket_.get(), POLLIN, 0};
    if (::poll(&ready, 1, patience_ms) != 1) return taken;
    if (::recv(socket_.get(), buffer.data(), buffer.size(), 0) < 0)
      throw_errno("receive from", "UDP sink");
  }
  return count;
}

UdpSource::UdpSource(const NetNs& netns, std::uint16_t source_port)
    : socket_{bound_socket(netns, "0.0.0.0", source_port)} {
  const int room = 64 << 20;  // so that sending never waits for a queue to drain
  if (::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0)
    throw_errno("make room in", "UDP source");
}

void UdpSource::send(const std::string& address, std::uint16_t port, std::uint32_t payload_bytes,
                     std::uint64_t count) const {
  const std::string payload(payload_bytes, 'x');
  const sockaddr_in to = address_of(address, port);
  for (std::uint64_t i = 0; i < count; ++i)
    if (::sendto(socket_.get(), payload.data(), payload.size(), 0,
                 reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
      throw_errno("send a datagram to", address);
}

}  // namespace tl::test
