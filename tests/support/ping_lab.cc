#include "support/ping_lab.hh"

#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/process.hh"
#include "probe/echo_packet.hh"
#include "support/processes.hh"

namespace tl::test {
namespace {

using namespace std::chrono_literals;

void ip(const std::vector<std::string>& words) {
  Argv argv{"ip"};
  argv.insert(argv.end(), words.begin(), words.end());
  must_run(argv, 10s);
}

// A device carries nothing before its operational state is up, which the kernel sets a moment after
// both ends are.
bool is_up(const NetNs& ns, const std::string& device) {
  return ns.run([&] {
    return must_run({"ip", "-o", "link", "show", "dev", device}, 10s).find("state UP") !=
           std::string::npos;
  });
}

UniqueFd icmp_socket(const char* address) {
  UniqueFd socket{::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP)};
  sockaddr_in local{};
  local.sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &local.sin_addr);
  if (!socket.valid() ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0)
    throw_errno("open", "responder socket");
  return socket;
}

}  // namespace

PingLab::PingLab(Script script) : script_{std::move(script)} {
  const std::string near_file =
      "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(far_.fd());
  near_.run([&] {
    ip({"link", "add", "near", "type", "veth", "peer", "name", "far", "netns", near_file});
    ip({"address", "add", std::string{kNear} + "/24", "dev", "near"});
    ip({"address", "add", "fd00:198:18::1/64", "dev", "near", "nodad"});
    ip({"link", "set", "near", "up"});
  });
  far_.run([&] {
    ip({"address", "add", std::string{kFar} + "/24", "dev", "far"});
    ip({"address", "add", std::string{kFarToo} + "/24", "dev", "far"});
    ip({"address", "add", std::string{kFar6} + "/64", "dev", "far", "nodad"});
    ip({"link", "set", "far", "up"});
    if (!script_) return;
    std::ofstream{"/proc/sys/net/ipv4/icmp_echo_ignore_all"} << "1\n";
    socket_ = icmp_socket(kFar);
    second_socket_ = icmp_socket(kFarToo);
  });
  if (!eventually([&] { return is_up(near_, "near") && is_up(far_, "far"); }, 10s))
    throw MachineError{"make ping lab: its devices do not come up"};
  if (!script_) return;
  std::tie(stop_read_, stop_write_) = make_pipe();
  responder_ = std::thread{[this] { respond(); }};
}

PingLab::~PingLab() {
  stop_write_ = UniqueFd{};
  if (responder_.joinable()) responder_.join();
}

std::vector<std::uint8_t> PingLab::reply(
    std::vector<std::uint8_t> request,
    const std::function<void(std::vector<std::uint8_t>&)>& change) {
  request[0] = ICMP_ECHOREPLY;
  if (change) change(request);
  request[2] = request[3] = 0;
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < request.size(); i += 2)
    sum += (std::uint32_t{request[i]} << 8U) + (i + 1 < request.size() ? request[i + 1] : 0U);
  while (sum > 0xFFFF) sum = (sum & 0xFFFFU) + (sum >> 16U);
  request[2] = static_cast<std::uint8_t>((~sum >> 8U) & 0xFFU);
  request[3] = static_cast<std::uint8_t>(~sum & 0xFFU);
  return request;
}

void PingLab::respond() {
  struct Due {
    Answer answer;
    sockaddr_in to{};
  };
  std::multimap<std::int64_t, Due> due;
  while (true) {
    const std::int64_t now_ns = monotonic_ns();
    while (!due.empty() && due.begin()->first <= now_ns) {
      const auto& [answer, to] = due.begin()->second;
      const UniqueFd& socket = answer.from_second_address ? second_socket_ : socket_;
      (void)::sendto(socket.get(), answer.message.data(), answer.message.size(), 0,
                     reinterpret_cast<const sockaddr*>(&to), sizeof to);
      due.erase(due.begin());
    }
    const std::int64_t wait_ns = due.empty() ? 1'000'000'000 : due.begin()->first - now_ns;
    std::array<pollfd, 2> wanted{pollfd{socket_.get(), POLLIN, 0},
                                 pollfd{stop_read_.get(), POLLIN, 0}};
    const timespec limit{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
    (void)::ppoll(wanted.data(), wanted.size(), &limit, nullptr);
    if (wanted[1].revents != 0) return;
    if (wanted[0].revents == 0) continue;
    std::array<std::uint8_t, 2048> packet{};
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t n = ::recvfrom(socket_.get(), packet.data(), packet.size(), MSG_DONTWAIT,
                                 reinterpret_cast<sockaddr*>(&from), &length);
    if (n <= 0) continue;
    const auto message = icmp_message({packet.data(), static_cast<std::size_t>(n)}, true);
    if (message.size() < kEchoHeader || message[0] != ICMP_ECHO) continue;
    const auto sequence = static_cast<std::uint16_t>((message[6] << 8U) | message[7]);
    for (Answer& answer : script_(sequence, {message.begin(), message.end()})) {
      const std::int64_t at_ns = monotonic_ns() + std::chrono::nanoseconds{answer.after}.count();
      due.emplace(at_ns, Due{std::move(answer), from});
    }
  }
}

}  // namespace tl::test
