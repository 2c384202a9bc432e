// The traffic of a run: an iperf3 server and client through libiperf, each as a service that waits
// for its order.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/errors.hh"

namespace tl {

// Runs iperf3 in this process with iperf3's own options (man iperf3) and returns its exit code.
// libiperf keeps state in globals, installs signal handlers and may exit(3): use it in a process of
// its own.
int run_iperf(const std::vector<std::string>& options);
// Only parses the options, as iperf3 would. Throws UsageError with iperf3's reason. May exit(3) for
// some of them.
void check_iperf_options(const std::vector<std::string>& options);

// The service "iperf-server" or "iperf-client" of a run (bundle/control.hh): takes the order, says
// ready, the client waits at the gate, runs iperf in a child process, keeps its JSON in
// iperf/server.json or client.json, says done, and stays until SIGTERM. Returns pass, or traffic
// when iperf failed or was cut short.
ExitCode serve_iperf_server(const std::filesystem::path& run_folder);
ExitCode serve_iperf_client(const std::filesystem::path& run_folder);

}  // namespace tl
