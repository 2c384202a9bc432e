// A small web server over a folder of results: the list of bundles, their files and reports, a
// comparison of several, and the rates of a run in progress.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace tl {

struct ResultServerOptions {
  std::filesystem::path results = "results";
  std::string address = "127.0.0.1";  // numeric; an IPv6 one without brackets
  std::uint16_t port = 8080;          // 0: the kernel chooses
};

// It only reads, answers GET and HEAD alone, and refuses requests under a host name other than
// localhost, so that no foreign web page can read results by pointing a name of its own here (DNS
// rebinding).
class ResultServer {
 public:
  // Binds and serves from threads of its own. Throws UsageError when there is no such folder,
  // MachineError when the address cannot be bound.
  explicit ResultServer(const ResultServerOptions& options);
  ~ResultServer();
  ResultServer(const ResultServer&) = delete;
  ResultServer& operator=(const ResultServer&) = delete;
  [[nodiscard]] std::uint16_t port() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether a Host header may be answered: localhost or an address, with or without a port.
bool is_local_host_header(const std::string& host);

}  // namespace tl
