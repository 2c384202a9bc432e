// One HTTP exchange for the sinks and pollers of this module: every outcome is a value, and the
// bytes on the wire are counted. Certificates are verified; redirects are not followed, so that a
// token never goes to another host.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tl::live {

struct WebRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string user, password;                 // basic authentication, when there is a user
  std::string ca_file;                        // PEM; empty: the system's
  bool accept_gzip = false;                   // the answer may be compressed on the wire
  std::chrono::milliseconds timeout{10'000};  // of the whole exchange
};

struct WebResponse {
  int status = 0;     // 0: no answer
  std::string error;  // why there is none; never holds a URL's query or a secret
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::uint64_t request_bytes = 0;                           // line, headers and body sent
  std::uint64_t header_bytes = 0;                            // of the answer
  std::uint64_t body_bytes = 0;  // of the answer, as encoded on the wire
  std::chrono::nanoseconds duration{0};

  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
  // The value of the first header of this name (lower case), or empty.
  [[nodiscard]] std::string header(const std::string& name) const;
  [[nodiscard]] std::uint64_t wire_bytes() const {
    return request_bytes + header_bytes + body_bytes;
  }
};

// Keeps its connection between exchanges. For one thread at a time.
class WebClient {
 public:
  WebClient();
  ~WebClient();
  WebClient(WebClient&&) noexcept;
  WebClient& operator=(WebClient&&) noexcept;
  WebResponse send(const WebRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The host of a URL without brackets, or empty. Throws UsageError for credentials in the URL and
// for other schemes than http and https; `what` names the setting.
std::string checked_host(const std::string& url, const std::string& what);

}  // namespace tl::live
