// Host name to address, in bounded time.
#pragma once

#include <chrono>
#include <string>
#include <variant>

#include "probe/ping_socket.hh"

namespace tl {

enum class IpFamily { any, v4, v6 };

// The first address of a name, number or scoped number ("fe80::1%eth0"), or why there is none.
// Names are resolved in the network namespace of the calling thread. getaddrinfo(3) itself cannot
// be bounded: over `limit` its thread is left to end by itself.
std::variant<PingDestination, std::string> resolve(const std::string& host, IpFamily family,
                                                   std::chrono::milliseconds limit);

}  // namespace tl
