#include <fmt/format.h>

#include "run/run.hh"

namespace tl {

Argv iperf_server_options(const Experiment& e) {
  return {"--server", "--one-off", "--port", std::to_string(e.port), "--interval", "0.1"};
}

Argv iperf_client_options(const Experiment& e) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(e.duration).count();
  Argv options{"--port",
               std::to_string(e.port),
               "--time",
               std::to_string(seconds),
               "--interval",
               "0.1",
               "--parallel",
               std::to_string(e.parallel),
               "--connect-timeout",
               "5000"};
  if (e.protocol == Protocol::udp) options.emplace_back("--udp");
  if (e.reverse) options.emplace_back("--reverse");
  if (e.bitrate_bps != 0)
    options.insert(options.end(), {"--bitrate", std::to_string(e.bitrate_bps)});
  if (!e.congestion.empty()) options.insert(options.end(), {"--congestion", e.congestion});
  if (e.mss_bytes != 0) options.insert(options.end(), {"--set-mss", std::to_string(e.mss_bytes)});
  options.insert(options.end(), e.iperf_options.begin(),
                 e.iperf_options.end());  // last, so that they win
  return options;
}

}  // namespace tl
