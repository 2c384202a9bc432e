// The traffic of a run: an iperf3 server and client through libiperf, each as a service that waits
// for its order.
#pragma once

#include <filesystem>

#include "base/errors.hh"

namespace tl {

// The service "iperf-server" or "iperf-client" of a run (bundle/control.hh): takes the order, says
// ready, the client waits at the gate, runs iperf in a child process, keeps its JSON in
// iperf/server.json or client.json, says done, and stays until SIGTERM. Returns pass, or traffic
// when iperf failed or was cut short.
ExitCode serve_iperf_server(const std::filesystem::path& run_folder);
ExitCode serve_iperf_client(const std::filesystem::path& run_folder);

}  // namespace tl
