// Sends UDP datagrams at a steady rate and says how many the kernel took:
// udp_flood ADDRESS PORT DATAGRAMS_PER_SECOND SECONDS PAYLOAD_BYTES        (rate 0: as fast as it
// goes) Prints "SENT SECONDS". Works in sendmmsg(2) batches and sleeps between them, so that pacing
// does not take the processor from the program under test.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/fd.hh"
#include "base/units.hh"

namespace {

using Clock = std::chrono::steady_clock;
constexpr unsigned kMostAtOnce = 64;

tl::UniqueFd connected_socket(const char* address, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  if (::inet_pton(AF_INET, address, &to.sin_addr) != 1)
    throw std::runtime_error{"not an IPv4 address"};
  tl::UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket.valid() || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    throw std::runtime_error{std::strerror(errno)};
  return socket;
}

class Flood {
 public:
  Flood(tl::UniqueFd socket, std::size_t payload_bytes)
      : socket_{std::move(socket)}, payload_(payload_bytes, 'x') {
    part_ = {payload_.data(), payload_.size()};
    for (mmsghdr& message : messages_) {
      message.msg_hdr.msg_iov = &part_;
      message.msg_hdr.msg_iovlen = 1;
    }
  }

  // How many of up to `count` the kernel took.
  unsigned send(unsigned count) {
    const int taken = ::sendmmsg(socket_.get(), messages_.data(), std::min(count, kMostAtOnce), 0);
    if (taken < 0 && errno != ENOBUFS && errno != EINTR)
      throw std::runtime_error{std::strerror(errno)};
    return taken < 0 ? 0 : static_cast<unsigned>(taken);
  }

 private:
  tl::UniqueFd socket_;
  std::vector<char> payload_;
  iovec part_{};
  std::array<mmsghdr, kMostAtOnce> messages_{};
};

// How many are due by now and not sent yet.
unsigned due(Clock::duration elapsed, std::int64_t rate, std::uint64_t sent) {
  if (rate == 0) return kMostAtOnce;
  const std::int64_t elapsed_us =
      std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  const auto wanted = static_cast<std::uint64_t>(elapsed_us * rate / 1'000'000);
  return wanted > sent ? static_cast<unsigned>(std::min<std::uint64_t>(wanted - sent, kMostAtOnce))
                       : 0;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 6) {
    std::fputs("usage: udp_flood ADDRESS PORT DATAGRAMS_PER_SECOND SECONDS PAYLOAD_BYTES\n",
               stderr);
    return 2;
  }
  const auto port = static_cast<std::uint16_t>(tl::parse_integer(argv[2], 1, 65535, "port"));
  const std::int64_t rate = tl::parse_integer(argv[3], 0, 100'000'000, "rate");
  const std::chrono::seconds time{tl::parse_integer(argv[4], 1, 3600, "seconds")};
  const auto bytes = static_cast<std::size_t>(tl::parse_integer(argv[5], 1, 65'000, "payload"));
  Flood flood{connected_socket(argv[1], port), bytes};
  std::uint64_t sent = 0;
  const Clock::time_point begin = Clock::now();
  for (auto elapsed = Clock::duration::zero(); elapsed < time; elapsed = Clock::now() - begin) {
    const unsigned count = due(elapsed, rate, sent);
    if (count == 0)
      std::this_thread::sleep_for(std::chrono::microseconds{50});
    else
      sent += flood.send(count);
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  std::printf("%llu %.6f\n", static_cast<unsigned long long>(sent), took.count());
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "udp_flood: %s\n", e.what());
  return 2;
}
