// HTTP requests through libcurl, over TCP or a Unix socket, each with a deadline.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tl {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers = {};  // "Name: value"
  std::string body = {};
  std::chrono::milliseconds timeout{10'000};  // for the whole exchange
  std::filesystem::path unix_socket = {};     // connects here instead of to the URL's host
};

struct HttpResponse {
  int status = 0;
  std::string body;
  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};

// Keeps its connection open between requests. For one thread at a time.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  // Every answer of the server is returned, whatever its status. Throws MachineError "GET URL:
  // reason" when there is none: no connection, broken off, over the deadline, more than 64 MiB.
  HttpResponse send(const HttpRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Percent-encoding of everything that is not unreserved (RFC 3986, 2.3).
std::string url_encoded(std::string_view text);

}  // namespace tl
