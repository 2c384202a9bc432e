// An HTTP/1.1 server that does what a script says, wrong things included: for the answers that no
// real server can be made to give.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.hh"

namespace tl::test {

struct FakeRequest {
  std::string method, target;                                // "POST", "/api/v2/write?…"
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string raw_body;                                      // as it came
  std::string body;                                          // uncompressed
  [[nodiscard]] std::string header(const std::string& name) const;
};

struct FakeAnswer {
  int status = 204;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool reset = false;           // RST instead of an answer
  bool hang = false;            // no answer until the server ends
  bool without_length = false;  // no Content-Length: the end of the connection ends the body
  bool chunked = false;
  std::chrono::milliseconds after{0};          // the request's end
  std::chrono::milliseconds between_bytes{0};  // of the body: a slow loris
};

class FakeServer {
 public:
  using Script = std::function<FakeAnswer(const FakeRequest&, std::size_t index)>;
  // Serves one connection at a time on a loopback port. Paths that begin with /early are answered,
  // and the connection closed, before the body is read. Without the script: 204 to everything.
  explicit FakeServer(Script script = {});
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // Everything received so far.
  [[nodiscard]] std::vector<FakeRequest> requests() const;

 private:
  void serve();
  void converse(const UniqueFd& connection);
  bool wait_readable(int fd, std::chrono::milliseconds limit) const;  // false: time, or stopping
  bool answer(const UniqueFd& connection, const FakeRequest& request);

  Script script_;
  UniqueFd listener_, stop_read_, stop_write_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<FakeRequest> requests_;
  std::thread thread_;
};

}  // namespace tl::test
