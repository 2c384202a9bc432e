#include "probe/ping.hh"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/fd.hh"

namespace tl {
namespace {

struct Destination {
  sockaddr_storage address{};
  socklen_t length = 0;
  [[nodiscard]] bool is_ipv6() const { return address.ss_family == AF_INET6; }
};

// Type, code, checksum, id and sequence stand alike in ICMP and ICMPv6 (RFC 792, RFC 4443).
struct Echo {
  std::uint8_t type = 0, code = 0;
  std::uint16_t checksum = 0, id = 0, sequence = 0;
  std::uint64_t nonce = 0;  // ours, so that other programs' replies never match
};

std::uint16_t internet_checksum(const Echo& echo) {  // RFC 1071
  std::array<std::uint16_t, sizeof(Echo) / 2> words;
  std::memcpy(words.data(), &echo, sizeof echo);
  std::uint32_t sum = 0;
  for (const std::uint16_t word : words) sum += word;
  while (sum > 0xFFFF) sum = (sum & 0xFFFFU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

class Round {
 public:
  Round(UniqueFd socket, bool is_raw, const Destination& to, const PingOptions& options)
      : socket_{std::move(socket)}, is_raw_{is_raw}, to_{to}, options_{options} {
    (void)::getrandom(&nonce_, sizeof nonce_, 0);
    sent_ns_.resize(static_cast<std::size_t>(options.count));
    answered_.resize(sent_ns_.size());
  }

  PingResult run() {
    const std::int64_t begin_ns = monotonic_ns();
    const std::int64_t interval_ns = std::chrono::nanoseconds{options_.interval}.count();
    for (int i = 0; i < options_.count; ++i) {
      receive_until(begin_ns + i * interval_ns);
      send(i);
    }
    const std::int64_t end_ns = monotonic_ns() + std::chrono::nanoseconds{options_.timeout}.count();
    const bool none_sent = result_.send_errors == result_.attempts;
    if (!none_sent) receive_until(end_ns, true);
    return std::move(result_);
  }

 private:
  void send(int index) {
    Echo echo;
    echo.type = to_.is_ipv6() ? static_cast<std::uint8_t>(ICMP6_ECHO_REQUEST)
                              : static_cast<std::uint8_t>(ICMP_ECHO);
    echo.id = static_cast<std::uint16_t>(nonce_);  // the kernel overwrites it on datagram sockets
    echo.sequence = htons(static_cast<std::uint16_t>(index));
    echo.nonce = nonce_;
    if (!to_.is_ipv6()) echo.checksum = internet_checksum(echo);
    ++result_.attempts;
    sent_ns_[static_cast<std::size_t>(index)] = monotonic_ns();
    if (::sendto(socket_.get(), &echo, sizeof echo, 0,
                 reinterpret_cast<const sockaddr*>(&to_.address), to_.length) >= 0)
      return;
    result_.error = errno_text(errno);
    ++result_.send_errors;
  }

  // Handles replies up to a moment, or until every request sent is answered.
  void receive_until(std::int64_t end_ns, bool stop_when_complete = false) {
    while (true) {
      if (stop_when_complete && result_.received + result_.send_errors == result_.attempts) return;
      const std::int64_t left_ns = end_ns - monotonic_ns();
      if (left_ns <= 0) return;
      pollfd readable{socket_.get(), POLLIN, 0};
      const timespec limit{left_ns / 1'000'000'000, left_ns % 1'000'000'000};
      if (::ppoll(&readable, 1, &limit, nullptr) > 0) receive();
    }
  }

  void receive() {
    alignas(8) std::array<char, 2048> packet;
    sockaddr_storage from{};
    socklen_t from_length = sizeof from;
    const ssize_t n = ::recvfrom(socket_.get(), packet.data(), packet.size(), MSG_DONTWAIT,
                                 reinterpret_cast<sockaddr*>(&from), &from_length);
    const std::int64_t now_ns = monotonic_ns();
    std::size_t offset = 0;
    if (n > 0 && is_raw_ && !to_.is_ipv6())
      offset = std::size_t{static_cast<unsigned char>(packet[0]) & 0xFU} * 4;
    if (n < 0 || static_cast<std::size_t>(n) < offset + sizeof(Echo)) return;
    Echo echo;
    std::memcpy(&echo, packet.data() + offset, sizeof echo);
    const auto reply = to_.is_ipv6() ? static_cast<std::uint8_t>(ICMP6_ECHO_REPLY)
                                     : static_cast<std::uint8_t>(ICMP_ECHOREPLY);
    const std::size_t index = ntohs(echo.sequence);
    if (echo.type != reply || echo.nonce != nonce_ || index >= answered_.size() || !is_peer(from))
      return;
    if (answered_[index]) {
      ++result_.duplicates;
      return;
    }
    answered_[index] = true;
    ++result_.received;
    result_.rtts.emplace_back(now_ns - sent_ns_[index]);
  }

  bool is_peer(const sockaddr_storage& from) const {
    if (from.ss_family != to_.address.ss_family) return false;
    if (to_.is_ipv6())
      return std::memcmp(&reinterpret_cast<const sockaddr_in6&>(from).sin6_addr,
                         &reinterpret_cast<const sockaddr_in6&>(to_.address).sin6_addr, 16) == 0;
    return reinterpret_cast<const sockaddr_in&>(from).sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in&>(to_.address).sin_addr.s_addr;
  }

  UniqueFd socket_;
  bool is_raw_;
  Destination to_;
  PingOptions options_;
  std::uint64_t nonce_ = 0;
  std::vector<std::int64_t> sent_ns_;
  std::vector<bool> answered_;
  PingResult result_;
};

PingResult failed(const PingOptions& options, std::string reason) {
  PingResult result;
  result.attempts = result.send_errors = options.count;
  result.error = std::move(reason);
  return result;
}

}  // namespace

PingResult ping(const std::string& host, const PingOptions& options) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return failed(options, fmt::format("resolve: {}", ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, ::freeaddrinfo};
  Destination to;
  to.length = found->ai_addrlen;
  std::memcpy(&to.address, found->ai_addr, found->ai_addrlen);
  const int protocol =
      to.is_ipv6() ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
  for (const int type : {SOCK_DGRAM, SOCK_RAW}) {
    UniqueFd socket{::socket(to.address.ss_family, type | SOCK_CLOEXEC, protocol)};
    if (socket.valid()) return Round{std::move(socket), type == SOCK_RAW, to, options}.run();
  }
  return failed(options, fmt::format("open ICMP socket: {} (give CAP_NET_RAW, or widen "
                                     "net.ipv4.ping_group_range)",
                                     errno_text(errno)));
}

}  // namespace tl
