// GET /metrics over HTTP or HTTPS, for one registry.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "live/registry.hh"

namespace tl::live {

struct ServerOptions {
  std::string address = "127.0.0.1";       // numeric; an IPv6 one without brackets
  std::uint16_t port = 9469;               // 0: the kernel chooses
  std::string certificate_file, key_file;  // both: HTTPS
  std::string client_ca_file;              // clients must show a certificate of this CA
  std::string user, password;              // both: basic authentication
};

// "127.0.0.1:9469", "[::1]:9469". Throws UsageError.
void parse_listen(const std::string& text, ServerOptions& options);

class MetricsServer {
 public:
  // Binds and serves from threads of its own. Throws MachineError when the address cannot be bound
  // or a certificate cannot be read. Adds trafficlab_scrape_* and the users'
  // number_of_requests_total to `registry`, which must outlive this object.
  MetricsServer(Registry& registry, const ServerOptions& options);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  [[nodiscard]] std::uint16_t port() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tl::live
