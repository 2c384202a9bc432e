#include "live/grouping_key.hh"

#include <fmt/format.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

#include "base/errors.hh"
#include "base/fd.hh"

namespace tl::live {
namespace {

// RFC 4648 section 5, without padding except for the empty string, which needs one character to be
// a path segment at all (Pushgateway README).
std::string base64_url(std::string_view bytes) {
  if (bytes.empty()) return "=";
  std::string encoded(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                       reinterpret_cast<const unsigned char*>(bytes.data()),
                                       static_cast<int>(bytes.size()));
  encoded.resize(static_cast<std::size_t>(length));
  std::replace(encoded.begin(), encoded.end(), '+', '-');
  std::replace(encoded.begin(), encoded.end(), '/', '_');
  encoded.erase(encoded.find_last_not_of('=') + 1);
  return encoded;
}

// RFC 3986 unreserved characters: the same in every proxy's opinion. "." and ".." would be removed
// as path steps.
bool is_plain(std::string_view text) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:";
  return !text.empty() && text != "." && text != ".." &&
         text.find_first_not_of(kUnreserved) == std::string_view::npos;
}

std::string segment(std::string_view name, std::string_view value) {
  return is_plain(value) ? fmt::format("/{}/{}", name, value)
                         : fmt::format("/{}@base64/{}", name, base64_url(value));
}

}  // namespace

std::pair<std::string, std::string> parse_label(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos)
    throw UsageError{fmt::format("label '{}': expected NAME=VALUE", text)};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::string grouping_path(const GroupingKey& key) {
  if (key.job.empty()) throw UsageError{"push: the job is empty"};
  std::string path = "/metrics" + segment("job", key.job);
  for (const auto& [name, value] : checked_labels(key.labels)) {
    if (name == "job") throw UsageError{"push: 'job' stands among the grouping labels"};
    path += segment(name, value);
  }
  return path;
}

std::string address_towards(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) throw MachineError{fmt::format("resolve {}: {}", host, ::gai_strerror(error))};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, ::freeaddrinfo};
  int last_error = ENETUNREACH;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    // connect(2) of a datagram socket only asks the routing table.
    const UniqueFd socket{::socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_storage local{};
    socklen_t length = sizeof local;
    if (!socket.valid() || ::connect(socket.get(), at->ai_addr, at->ai_addrlen) != 0 ||
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&local), &length) != 0) {
      last_error = errno;
      continue;
    }
    char text[NI_MAXHOST];
    if (::getnameinfo(reinterpret_cast<sockaddr*>(&local), length, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) == 0)
      return text;
  }
  throw_errno(last_error, "find the route to", host);
}

}  // namespace tl::live
