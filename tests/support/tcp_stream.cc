#include "support/tcp_stream.hh"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/errors.hh"
#include "support/processes.hh"

namespace tl::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kStep = 256 << 10;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address address_of(const std::string& text, std::uint16_t port) {
  Address address;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.size = sizeof v4;
    std::copy_n(reinterpret_cast<const char*>(&v4), sizeof v4,
                reinterpret_cast<char*>(&address.storage));
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.size = sizeof v6;
    std::copy_n(reinterpret_cast<const char*>(&v6), sizeof v6,
                reinterpret_cast<char*>(&address.storage));
  } else {
    throw std::runtime_error{"not an address: " + text};
  }
  return address;
}

void set(const UniqueFd& socket, int level, int name, int value) {
  if (::setsockopt(socket.get(), level, name, &value, sizeof value) != 0)
    throw_errno("set option of", "a TCP socket");
}

UniqueFd tcp_socket(const Address& address, int window_bytes) {
  UniqueFd socket{::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!socket.valid()) throw_errno("make", "TCP socket");
  set(socket, SOL_SOCKET, SO_RCVBUFFORCE, window_bytes);
  return socket;
}

// A file in memory, of `bytes` times 'x'.
UniqueFd memory_file(std::size_t bytes) {
  UniqueFd file{::memfd_create("tl-test", MFD_CLOEXEC)};
  if (!file.valid()) throw_errno("make", "memory file");
  write_all(file.get(), std::string(bytes, 'x'), "memory file");
  if (::lseek(file.get(), 0, SEEK_SET) != 0) throw_errno("rewind", "memory file");
  return file;
}

ssize_t checked(ssize_t moved) {
  if (moved <= 0) throw_errno("send on", "TCP stream");
  return moved;
}

void send_plainly(int socket, std::size_t bytes, int flags) {
  // Pages of a zero-copy send stay in use until they are acknowledged; nobody writes to these.
  static const std::string text(kStep, 'x');
  while (bytes > 0)
    bytes -= static_cast<std::size_t>(
        checked(::send(socket, text.data(), std::min(bytes, text.size()), flags)));
}

void send_file(int socket, std::size_t bytes) {
  const UniqueFd file = memory_file(bytes);
  while (bytes > 0)
    bytes -= static_cast<std::size_t>(checked(::sendfile(socket, file.get(), nullptr, bytes)));
}

void send_spliced(int socket, std::size_t bytes) {
  const UniqueFd file = memory_file(bytes);
  const auto [out, in] = make_pipe();
  while (bytes > 0) {
    ssize_t held = checked(::splice(file.get(), nullptr, in.get(), nullptr, bytes, 0));
    bytes -= static_cast<std::size_t>(held);
    while (held > 0)
      held -= checked(::splice(out.get(), nullptr, socket, nullptr, static_cast<std::size_t>(held),
                               bytes > 0 ? SPLICE_F_MORE : 0));
  }
}

void read_all(int socket, std::size_t bytes) {
  std::vector<char> buffer(kStep);
  while (bytes > 0) {
    const ssize_t n = ::recv(socket, buffer.data(), std::min(bytes, buffer.size()), 0);
    if (n <= 0) throw_errno("receive from", "TCP stream");
    bytes -= static_cast<std::size_t>(n);
  }
}

void move(int from, int to, std::size_t bytes, SendWay way = SendWay::send) {
  std::thread reader{[&] { read_all(to, bytes); }};
  if (way == SendWay::sendfile)
    send_file(from, bytes);
  else if (way == SendWay::splice)
    send_spliced(from, bytes);
  else
    send_plainly(from, bytes, way == SendWay::zerocopy ? MSG_ZEROCOPY : 0);
  reader.join();
}

bool is_closed(const UniqueFd& socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
    throw_errno("read state of", "TCP stream");
  return info.tcpi_state == TCP_CLOSE || info.tcpi_state == TCP_TIME_WAIT;
}

}  // namespace

TcpStream::TcpStream(const NetNs& client, const NetNs& server, const std::string& address,
                     std::uint16_t port, int window_bytes) {
  const Address to = address_of(address, port);
  const UniqueFd listener = server.run([&] {
    UniqueFd socket = tcp_socket(to, window_bytes);
    set(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(socket.get(), to.get(), to.size) != 0 || ::listen(socket.get(), 1) != 0)
      throw_errno("listen on", address);
    return socket;
  });
  client_ = client.run([&] {
    UniqueFd socket = tcp_socket(to, window_bytes);
    set(socket, SOL_SOCKET, SO_ZEROCOPY, 1);
    if (::connect(socket.get(), to.get(), to.size) != 0) throw_errno("connect to", address);
    return socket;
  });
  server_ = UniqueFd{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  if (!server_.valid()) throw_errno("accept on", address);
}

void TcpStream::to_server(std::size_t bytes, SendWay way) const {
  move(client_.get(), server_.get(), bytes, way);
}

void TcpStream::to_client(std::size_t bytes) const { move(server_.get(), client_.get(), bytes); }

void TcpStream::both_ways(std::size_t bytes) const {
  std::thread back{[&] { to_client(bytes); }};
  to_server(bytes);
  back.join();
}

void TcpStream::close() {
  ::shutdown(client_.get(), SHUT_WR);
  char byte = 0;
  (void)::recv(server_.get(), &byte, 1, 0);
  ::shutdown(server_.get(), SHUT_WR);
  (void)::recv(client_.get(), &byte, 1, 0);
  if (!eventually([&] { return is_closed(client_) && is_closed(server_); }, 5s))
    throw std::runtime_error{"TCP stream does not close"};
}

}  // namespace tl::test
