// The exporter's configuration file (docs/telemetry-prometheus.md).
#pragma once

#include <filesystem>
#include <vector>

#include "live/collectors.hh"
#include "live/metrics_server.hh"
#include "live/ping_rounds.hh"

namespace tl::live {

struct ExporterConfig {
  ServerOptions server;
  PingPlan pings;
  std::vector<NamedNamespace> containers;
  bool counters = false;             // also count them in the kernel, exactly
  std::vector<std::uint16_t> ports;  // with counters: these ports, too
};

// Throws UsageError "FILE:LINE: …" for an unknown key or a wrong value. Secrets stand in files that
// the configuration names.
ExporterConfig read_exporter_config(const std::filesystem::path& file);
// What no single option can tell: a certificate without key, a user without password. Throws
// UsageError.
void check_exporter_config(const ExporterConfig& config);

}  // namespace tl::live
