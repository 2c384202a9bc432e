#include "probe/ping_socket.hh"

#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/net_tstamp.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/clock.hh"
#include "base/errors.hh"
#include "probe/echo_packet.hh"

namespace tl {
namespace {

void set(int fd, int level, int option, int value) {
  // Best effort: without a stamp or an error report the round still works, and says which clock it
  // used.
  (void)::setsockopt(fd, level, option, &value, sizeof value);
}

std::int64_t nanoseconds(const timespec& t) {
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

bool is_same_host(const sockaddr_storage& a, const sockaddr_storage& b) {
  if (a.ss_family != b.ss_family) return false;
  if (a.ss_family == AF_INET6)
    return std::memcmp(&reinterpret_cast<const sockaddr_in6&>(a).sin6_addr,
                       &reinterpret_cast<const sockaddr_in6&>(b).sin6_addr, 16) == 0;
  return reinterpret_cast<const sockaddr_in&>(a).sin_addr.s_addr ==
         reinterpret_cast<const sockaddr_in&>(b).sin_addr.s_addr;
}

// One recvmsg with its control messages.
struct Message {
  std::array<char, 512> control{};
  sockaddr_storage from{};
  msghdr header{};
  ssize_t length = -1;

  void receive(int fd, std::vector<std::uint8_t>& buffer, int flags) {
    iovec io{buffer.data(), buffer.size()};
    header = {};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &io;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    length = ::recvmsg(fd, &header, flags | MSG_DONTWAIT);
  }

  // The control message of this level and type, copied out (alignment), if it is there.
  template <class T>
  std::optional<T> find(int level, int type) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != level || c->cmsg_type != type || c->cmsg_len < CMSG_LEN(sizeof(T)))
        continue;
      T value;
      std::memcpy(&value, CMSG_DATA(c), sizeof value);
      return value;
    }
    return std::nullopt;
  }

  std::int64_t kernel_real_ns() {
    const auto stamps = find<scm_timestamping>(SOL_SOCKET, SCM_TIMESTAMPING);
    return stamps ? nanoseconds(stamps->ts[0]) : 0;
  }
};

// The kernel turns receive stamps on in a work queue (net_enable_timestamp() of net/core/dev.c), so
// the first answers after SO_TIMESTAMPING may come without one. A datagram to ourselves shows when
// they are on. Best effort: without a loopback device the round says which clock it used.
void wait_for_receive_stamps() {
  constexpr int kTries = 50, kWait_ms = 1;
  const UniqueFd probe{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  set(probe.get(), SOL_SOCKET, SO_TIMESTAMPING,
      SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
  sockaddr_in self{};
  self.sin_family = AF_INET;
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof self;
  auto* const address = reinterpret_cast<sockaddr*>(&self);
  if (::bind(probe.get(), address, length) != 0 ||
      ::getsockname(probe.get(), address, &length) != 0)
    return;
  std::vector<std::uint8_t> buffer(1);
  for (int i = 0; i < kTries; ++i) {
    if (::sendto(probe.get(), buffer.data(), buffer.size(), 0, address, length) < 0) return;
    pollfd readable{probe.get(), POLLIN, 0};
    if (::poll(&readable, 1, kWait_ms) <= 0) continue;
    Message message;
    message.receive(probe.get(), buffer, 0);
    if (message.kernel_real_ns() != 0) return;
    (void)::poll(nullptr, 0, kWait_ms);
  }
}

std::string icmp_reason(const sock_extended_err& error) {
  return errno_text(static_cast<int>(error.ee_errno));
}

}  // namespace

std::string PingDestination::text() const {
  std::array<char, NI_MAXHOST> name{};
  const int error = ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, name.data(),
                                  name.size(), nullptr, 0, NI_NUMERICHOST);
  return error == 0 ? name.data() : "?";
}

PingSocket::PingSocket(const PingDestination& to, bool allow_datagram, std::string& error)
    : to_{to}, buffer_(65536) {
  const int protocol = to.is_ipv6() ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP};
  for (const int type : {SOCK_DGRAM, SOCK_RAW}) {
    if (type == SOCK_DGRAM && !allow_datagram) continue;
    socket_ = UniqueFd{::socket(to.address.ss_family, type | SOCK_CLOEXEC, protocol)};
    is_raw_ = type == SOCK_RAW;
    if (socket_.valid()) break;
  }
  if (!socket_.valid()) {
    error = "open ICMP socket: " + errno_text(errno) +
            " (give the program CAP_NET_RAW: setcap cap_net_raw+ep; or widen "
            "net.ipv4.ping_group_range)";
    return;
  }
  configure();
  choose_identifier();
}

void PingSocket::configure() {
  const int fd = socket_.get();
  set(fd, SOL_SOCKET, SO_TIMESTAMPING,
      SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
  wait_for_receive_stamps();
  if (to_.is_ipv6()) {
    set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
  } else {
    set(fd, IPPROTO_IP, IP_RECVERR, 1);
  }
  if (!is_raw_) return;
  // A raw socket would see all ICMP of the host, its own requests on loopback included.
  if (to_.is_ipv6()) {
    icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    (void)::setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
  } else {
    const icmp_filter filter{~(1U << ICMP_ECHOREPLY)};
    (void)::setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
  }
}

void PingSocket::choose_identifier() {
  if (is_raw_) {
    (void)::getrandom(&identifier_, sizeof identifier_, 0);
    return;
  }
  // Binding makes the kernel choose the identifier now, so that it can be asked for.
  sockaddr_storage any{};
  any.ss_family = to_.address.ss_family;
  socklen_t length = to_.is_ipv6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  (void)::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&any), length);
  (void)::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&any), &length);
  identifier_ = ntohs(to_.is_ipv6() ? reinterpret_cast<const sockaddr_in6&>(any).sin6_port
                                    : reinterpret_cast<const sockaddr_in&>(any).sin_port);
}

int PingSocket::send(std::span<const std::uint8_t> packet) {
  // An ICMP error of an earlier request is also left as the socket's pending error, and would
  // otherwise make this send fail in its place.
  int pending = 0;
  socklen_t length = sizeof pending;
  (void)::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &pending, &length);
  const ssize_t n = ::sendto(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&to_.address), to_.length);
  return n < 0 ? errno : 0;
}

std::optional<PingArrival> PingSocket::receive() {
  if (auto arrival = receive_from_error_queue()) return arrival;
  return receive_packet();
}

std::optional<PingArrival> PingSocket::receive_from_error_queue() {
  while (true) {
    Message message;
    message.receive(socket_.get(), buffer_, MSG_ERRQUEUE);
    if (message.length < 0) return std::nullopt;
    const auto error = to_.is_ipv6() ? message.find<sock_extended_err>(IPPROTO_IPV6, IPV6_RECVERR)
                                     : message.find<sock_extended_err>(IPPROTO_IP, IP_RECVERR);
    if (!error) continue;
    PingArrival arrival;
    arrival.bytes = {buffer_.data(), static_cast<std::size_t>(message.length)};
    arrival.mono_ns = monotonic_ns();
    if (error->ee_origin == SO_EE_ORIGIN_TIMESTAMPING) {
      arrival.kind = PingArrival::Kind::transmit_stamp;
      arrival.kernel_real_ns = message.kernel_real_ns();
      return arrival;
    }
    if (error->ee_origin != SO_EE_ORIGIN_ICMP && error->ee_origin != SO_EE_ORIGIN_ICMP6) continue;
    arrival.kind = PingArrival::Kind::icmp_error;
    arrival.reason = icmp_reason(*error);
    return arrival;
  }
}

std::optional<PingArrival> PingSocket::receive_packet() {
  Message message;
  message.receive(socket_.get(), buffer_, 0);
  if (message.length < 0) return std::nullopt;
  PingArrival arrival;
  arrival.mono_ns = monotonic_ns();
  arrival.kernel_real_ns = message.kernel_real_ns();
  arrival.is_from_destination = is_same_host(message.from, to_.address);
  arrival.bytes = icmp_message({buffer_.data(), static_cast<std::size_t>(message.length)},
                               is_raw_ && !to_.is_ipv6());
  return arrival;
}

}  // namespace tl
