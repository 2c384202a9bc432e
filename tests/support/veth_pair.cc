#include "support/veth_pair.hh"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/process.hh"

namespace tl::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kLeftAddress = "198.18.0.1";
constexpr const char* kRightAddress = "198.18.0.2";
constexpr const char* kLeftMac = "02:00:00:00:00:01";
constexpr const char* kRightMac = "02:00:00:00:00:02";
constexpr std::size_t kBatch = 32;

void set_up_end(const char* address, const char* peer, const char* peer_mac) {
  const auto ip = [](const Argv& words) {
    Argv argv{"ip"};
    argv.insert(argv.end(), words.begin(), words.end());
    must_run(argv, 10s);
  };
  ip({"link", "set", "eth0", "addrgenmode", "none"});
  ip({"address", "add", fmt::format("{}/30", address), "dev", "eth0"});
  ip({"link", "set", "eth0", "up"});
  ip({"neigh", "replace", peer, "lladdr", peer_mac, "dev", "eth0", "nud", "permanent"});
}

sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

UniqueFd udp_socket() {
  UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket.valid()) throw_errno("make", "UDP socket");
  return socket;
}

}  // namespace

VethPair::VethPair() : left{NetNs::create()}, right{NetNs::create()} {
  left.run([this] {
    must_run({"ip", "link", "add", "eth0", "address", kLeftMac, "type", "veth", "peer", "name",
              "eth0", "address", kRightMac, "netns", path_of(right)},
             10s);
    set_up_end(kLeftAddress, kRightAddress, kRightMac);
  });
  right.run([] { set_up_end(kRightAddress, kLeftAddress, kLeftMac); });
}

void VethPair::remove() const {
  left.run([] { must_run({"ip", "link", "delete", "eth0"}, 10s); });
}

std::string path_of(const NetNs& netns) {
  return fmt::format("/proc/{}/fd/{}", ::getpid(), netns.fd());
}

UdpSender::UdpSender(const VethPair& pair, std::uint16_t port, std::uint32_t payload_bytes)
    : payload_bytes_{payload_bytes} {
  pair.right.run([&] {
    sink_ = udp_socket();
    const sockaddr_in address = address_of(kRightAddress, port);
    if (::bind(sink_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw_errno("bind", "UDP sink");
  });
  pair.left.run([&] {
    socket_ = udp_socket();
    const sockaddr_in address = address_of(kRightAddress, port);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw_errno("connect", "UDP socket");
  });
}

UdpSender::~UdpSender() { stop(); }

void UdpSender::send(std::uint64_t count) {
  std::array<std::array<char, 2048>, kBatch> payloads{};
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    parts[i] = {payloads[i].data(), payload_bytes_};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (std::uint64_t left = count; left > 0;) {
    const auto wanted = static_cast<unsigned>(std::min<std::uint64_t>(left, kBatch));
    for (unsigned i = 0; i < wanted; ++i) {
      const std::uint64_t number = sent_ + i;
      std::memcpy(payloads[i].data(), &number, sizeof number);
    }
    const int taken = ::sendmmsg(socket_.get(), messages.data(), wanted, 0);
    if (taken < 0) throw_errno("send", "UDP datagrams");
    sent_ += static_cast<unsigned>(taken);
    left -= static_cast<unsigned>(taken);
  }
}

void UdpSender::send_super_packet(std::uint32_t segments) {
  const std::string payload(std::size_t{payload_bytes_} * segments, 'x');
  const int segment_bytes = static_cast<int>(payload_bytes_);
  if (::setsockopt(socket_.get(), SOL_UDP, UDP_SEGMENT, &segment_bytes, sizeof segment_bytes) != 0)
    throw_errno("set", "UDP_SEGMENT");
  if (::send(socket_.get(), payload.data(), payload.size(), 0) < 0)
    throw_errno("send", "UDP super-packet");
  ++sent_;
}

void UdpSender::flood(std::uint64_t per_second) {
  ending_ = false;
  thread_ = std::thread{[this, per_second] {
    constexpr std::uint64_t kBurst = 256;
    const std::int64_t begin_ns = monotonic_ns();
    for (std::uint64_t bursts = 0; !ending_; ++bursts) {
      send(kBurst);
      if (per_second == 0) continue;
      const auto due_ns = static_cast<std::int64_t>(bursts * kBurst * 1'000'000'000 / per_second);
      const std::int64_t early_ns = begin_ns + due_ns - monotonic_ns();
      if (early_ns > 0) ::poll(nullptr, 0, static_cast<int>(early_ns / 1'000'000));
    }
  }};
}

void UdpSender::stop() {
  ending_ = true;
  if (thread_.joinable()) thread_.join();
}

}  // namespace tl::test
