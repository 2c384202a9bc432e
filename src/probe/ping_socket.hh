// One ICMP socket towards one destination, with the kernel's timestamps of what it sends and
// receives.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.hh"

namespace tl {

struct PingDestination {
  sockaddr_storage address{};
  socklen_t length = 0;
  [[nodiscard]] bool is_ipv6() const { return address.ss_family == AF_INET6; }
  [[nodiscard]] std::string text() const;  // "198.18.0.2", "fe80::1%eth0"
};

// Something that arrived. Times are nanoseconds.
struct PingArrival {
  enum class Kind {
    packet,          // `bytes` from the network, from the ICMP header on
    transmit_stamp,  // `bytes` copy of a request; kernel_real_ns when it left
    icmp_error,      // `bytes` the quoted request; `reason` says what is wrong
  };
  Kind kind = Kind::packet;
  std::span<const std::uint8_t> bytes;  // valid until the next receive
  bool is_from_destination = false;
  std::int64_t mono_ns = 0;         // when we took it
  std::int64_t kernel_real_ns = 0;  // CLOCK_REALTIME by the kernel; 0: none given
  std::string reason;
};

class PingSocket {
 public:
  // Tries a datagram socket, which net.ipv4.ping_group_range allows (also for IPv6), then a raw one
  // (CAP_NET_RAW). With neither, `error` is set and no socket is open. The order is that of the
  // least privilege; the kernel default range is empty, also for root.
  PingSocket(const PingDestination& to, bool allow_datagram, std::string& error);

  [[nodiscard]] bool is_open() const { return socket_.valid(); }
  [[nodiscard]] bool is_raw() const { return is_raw_; }
  [[nodiscard]] int fd() const { return socket_.get(); }
  // What the kernel writes into requests: chosen by it on datagram sockets, by us on raw ones.
  [[nodiscard]] std::uint16_t identifier() const { return identifier_; }
  // 0, or the errno with which the kernel refused.
  int send(std::span<const std::uint8_t> packet);
  // The next thing that is there, without waiting: the error queue (timestamps, ICMP errors) first.
  std::optional<PingArrival> receive();

 private:
  void configure();
  void choose_identifier();
  std::optional<PingArrival> receive_from_error_queue();
  std::optional<PingArrival> receive_packet();
  PingDestination to_;
  UniqueFd socket_;
  bool is_raw_ = false;
  std::uint16_t identifier_ = 0;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace tl
