#include "traffic.hh"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/process.hh"
#include "support/busy_cpus.hh"
#include "support/temporary.hh"

namespace tl::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 9000;
constexpr std::size_t kBatch = 32, kPayloadBytes = 64, kBlockBytes = 128 << 10;

// One `ip -batch` for all devices of an end: hundreds of commands take no time then.
void configure(const NetNs& netns, const std::string& batch) {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "batch";
  std::ofstream{file} << batch;
  netns.run([&] { must_run({"ip", "-batch", file.native()}, 60s); });
}

std::string end_batch(int pairs, int own, int peer) {
  std::string batch = "link set lo up\n";
  for (int i = 0; i < pairs; ++i)
    batch += fmt::format(
        "link set tlb{0} addrgenmode none\naddress add 198.18.{0}.{1}/30 dev tlb{0}\n"
        "link set tlb{0} up\nneigh replace 198.18.{0}.{2} lladdr 02:00:00:00:{0:02x}:{2:02x} dev "
        "tlb{0} nud permanent\n",
        i, own, peer);
  return batch;
}

sockaddr_in address_of(int pair, int end) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  ::inet_pton(AF_INET, fmt::format("198.18.{}.{}", pair, end).c_str(), &address.sin_addr);
  return address;
}

UniqueFd open_socket(int type) {
  UniqueFd socket{::socket(AF_INET, type | SOCK_CLOEXEC, 0)};
  if (!socket.valid()) throw_errno("open", "a socket");
  return socket;
}

// The kernel's usual congestion control, whatever the machine has chosen: one that paces (BBR)
// makes its own model of the path, and rates vary three times as much.
void choose_congestion_control(const UniqueFd& sender) {
  constexpr std::string_view kName = "cubic";
  if (::setsockopt(sender.get(), IPPROTO_TCP, TCP_CONGESTION, kName.data(), kName.size()) != 0)
    throw_errno("choose congestion control", std::string{kName});
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

Fan::Fan(int count) : left{NetNs::create()}, right{NetNs::create()}, pairs{count} {
  std::string batch;
  for (int i = 0; i < count; ++i)
    batch += fmt::format(
        "link add tlb{0} address 02:00:00:00:{0:02x}:01 type veth peer name tlb{0} address "
        "02:00:00:00:{0:02x}:02 netns /proc/{1}/fd/{2}\n",
        i, ::getpid(), right.fd());
  configure(left, batch);
  configure(left, end_batch(count, 1, 2));
  configure(right, end_batch(count, 2, 1));
}

Stream::Stream(const Fan& fan, Kind kind, int busy, std::uint64_t per_second) {
  const int type = kind == Kind::udp ? SOCK_DGRAM : SOCK_STREAM;
  const int pairs = kind == Kind::udp ? busy : 1;
  for (int i = 0; i < pairs; ++i) {
    const sockaddr_in address = address_of(i, 2);
    sinks_.push_back(fan.right.run([&] { return open_socket(type); }));
    senders_.push_back(fan.left.run([&] { return open_socket(type); }));
    if (kind != Kind::udp) choose_congestion_control(senders_.back());
    if (::bind(sinks_.back().get(), generic(address), sizeof address) != 0 ||
        (kind != Kind::udp && ::listen(sinks_.back().get(), 1) != 0))
      throw_errno("bind", "a sink");
    if (::connect(senders_.back().get(), generic(address), sizeof address) != 0)
      throw_errno("connect", "a sender");
  }
  if (kind == Kind::udp) {
    threads_.emplace_back([this, per_second] { send_udp(per_second); });
    return;
  }
  sinks_.push_back(UniqueFd{::accept4(sinks_[0].get(), nullptr, nullptr, SOCK_CLOEXEC)});
  if (!sinks_.back().valid()) throw_errno("accept", "the stream");
  if (kind == Kind::tcp_by_turns) {
    threads_.emplace_back([this] { take_turns(); });
    return;
  }
  threads_.emplace_back([this] { send_tcp(); });
  threads_.emplace_back([this] { receive_tcp(); });
}

Stream::~Stream() {
  ending_ = true;
  threads_[0].join();
  senders_.clear();  // the receiver reads the end of the stream
  for (std::size_t i = 1; i < threads_.size(); ++i) threads_[i].join();
}

void Stream::send_udp(std::uint64_t per_second) {
  std::array<char, kPayloadBytes> payload{};
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    parts[i] = {payload.data(), payload.size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  // Devices change often, as among many containers: a burst each.
  const unsigned burst = senders_.size() == 1 ? kBatch : 4;
  const std::int64_t begin_ns = monotonic_ns();
  for (std::size_t turn = 0; !ending_; ++turn) {
    const int taken = ::sendmmsg(senders_[turn % senders_.size()].get(), messages.data(), burst, 0);
    if (taken > 0) sent_ += static_cast<unsigned>(taken);
    if (per_second == 0) continue;
    const auto due_ns = static_cast<std::int64_t>(sent_ * 1'000'000'000 / per_second);
    const std::int64_t early_ns = begin_ns + due_ns - monotonic_ns();
    if (early_ns > 1'000'000) ::poll(nullptr, 0, static_cast<int>(early_ns / 1'000'000));
  }
}

void Stream::send_tcp() {
  const test::OnCpu pinned{0};
  const std::vector<char> block(kBlockBytes);
  while (!ending_) {
    const ssize_t taken = ::send(senders_[0].get(), block.data(), block.size(), MSG_NOSIGNAL);
    if (taken > 0) sent_ += static_cast<std::uint64_t>(taken);
  }
}

void Stream::receive_tcp() {
  const test::OnCpu pinned{1};
  std::vector<char> room(kBlockBytes);
  while (::recv(sinks_.back().get(), room.data(), room.size(), 0) > 0) continue;
}

void Stream::take_turns() {
  const test::OnCpu pinned{1};
  std::vector<char> block(kBlockBytes), room(kBlockBytes);
  while (!ending_) {
    const ssize_t taken =
        ::send(senders_[0].get(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken > 0) sent_ += static_cast<std::uint64_t>(taken);
    while (::recv(sinks_.back().get(), room.data(), room.size(), MSG_DONTWAIT) > 0) continue;
  }
}

}  // namespace tl::bench
