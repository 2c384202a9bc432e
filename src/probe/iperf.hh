// libiperf as a function call (iperf_api.h is documented by libiperf(3)).
#pragma once

#include <cstdint>  // iperf_api.h 3.12 uses its types without including it
#include <string>
#include <vector>

namespace tl {

// Runs iperf3 in this process with iperf3's own options (man iperf3) and returns its exit code.
// libiperf keeps state in globals, installs signal handlers and may exit(3): use it in a process of
// its own.
int run_iperf(const std::vector<std::string>& options);
// Only parses the options, as iperf3 would. Throws UsageError with iperf3's reason. May exit(3) for
// some of them.
void check_iperf_options(const std::vector<std::string>& options);

}  // namespace tl
