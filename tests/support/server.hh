// Real servers for tests: started with an argument vector on loopback, ready when they answer,
// ended by their own process id.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/process.hh"
#include "support/temporary.hh"

namespace tl::test {

// A loopback TCP port that was free a moment ago.
std::uint16_t free_port();

struct HttpAnswer {
  int status = 0;  // 0: no answer
  std::string body;
  std::string content_type;
};
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;
HttpAnswer http_get(std::uint16_t port, const std::string& path, const HttpHeaders& headers = {});

// One server process with a folder of its own, which is also its working directory's place for
// data. Ended at the end of the scope.
class Server {
 public:
  // What to run, knowing the port and the data folder.
  using Command = std::function<Argv(std::uint16_t port, const std::string& folder)>;
  // Waits until `is_ready`, or, when it is empty, until GET ready_path answers 200. Throws
  // std::runtime_error with the server's log when it ends before or stays silent for 20 s.
  Server(const Command& command, const std::string& ready_path,
         const std::function<bool(std::uint16_t port)>& is_ready = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string folder() const { return folder_.path().native(); }
  [[nodiscard]] std::string log() const;
  [[nodiscard]] Child& child() { return *child_; }

 private:
  TemporaryFolder folder_;
  std::uint16_t port_;
  std::unique_ptr<Child> child_;
};

}  // namespace tl::test
