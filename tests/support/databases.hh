// The databases of Debian as tests use them: InfluxDB 1.6 and VictoriaMetrics, on loopback, with a
// folder and a port that outlive the process, so that a test can stop one and start it again.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "support/server.hh"

namespace tl::test {

class InfluxDatabase {
 public:
  // `http_settings` are lines of the [http] section: "auth-enabled = true". Starts it, and makes
  // the database "lab".
  explicit InfluxDatabase(const std::string& http_settings = "");
  void start();
  void stop();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // The rows of the first series of an InfluxQL statement, times in nanoseconds: [[…], …]; null
  // without a result. Throws std::runtime_error for an error.
  [[nodiscard]] nlohmann::json rows(const std::string& statement) const;
  // The whole answer to a statement that changes something, as `user` when one is given.
  nlohmann::json execute(const std::string& statement, const std::string& user = "",
                         const std::string& password = "") const;
  // POST of lines as they are; the status.
  [[nodiscard]] int write_raw(const std::string& lines) const;

 private:
  TemporaryFolder folder_;
  std::uint16_t port_, rpc_port_;
  std::unique_ptr<Server> server_;
};

class VictoriaMetrics {
 public:
  VictoriaMetrics();
  [[nodiscard]] std::string url() const { return server_.url(); }
  // Every series with its samples: {"metric": {…}, "values": […], "timestamps": […]}.
  [[nodiscard]] std::vector<nlohmann::json> exported() const;

 private:
  Server server_;
};

}  // namespace tl::test
