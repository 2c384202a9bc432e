#include "probe/resolve.hh"

#include <fmt/format.h>
#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace tl {
namespace {

using Answer = std::variant<PingDestination, std::string>;

Answer ask(const std::string& host, IpFamily family, int flags) {
  addrinfo hints{};
  hints.ai_family =
      family == IpFamily::any ? AF_UNSPEC : (family == IpFamily::v4 ? AF_INET : AF_INET6);
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return fmt::format("resolve {}: {}", host, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, ::freeaddrinfo};
  PingDestination destination;
  destination.length = found->ai_addrlen;
  std::memcpy(&destination.address, found->ai_addr, found->ai_addrlen);
  return destination;
}

// Shared by the caller and the resolving thread, which may outlive the call.
struct Pending {
  std::mutex mutex;
  std::condition_variable done;
  std::optional<Answer> answer;
};

}  // namespace

Answer resolve(const std::string& host, IpFamily family, std::chrono::milliseconds limit) {
  // Numbers first, and without AI_ADDRCONFIG: it hides families of which the host has no address
  // outside loopback.
  if (Answer number = ask(host, family, AI_NUMERICHOST);
      std::holds_alternative<PingDestination>(number))
    return number;
  const auto pending = std::make_shared<Pending>();
  std::thread{[pending, host, family] {
    Answer answer = ask(host, family, AI_ADDRCONFIG);
    const std::lock_guard lock{pending->mutex};
    pending->answer = std::move(answer);
    pending->done.notify_all();
  }}.detach();
  std::unique_lock lock{pending->mutex};
  if (!pending->done.wait_for(lock, limit, [&] { return pending->answer.has_value(); }))
    return fmt::format("resolve {}: no answer within {} ms", host, limit.count());
  return *pending->answer;
}

}  // namespace tl
