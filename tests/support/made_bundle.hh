// A bundle made by hand, for tests of what reads bundles: no run, no root.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tl::test {

struct MadeBundle {
  std::vector<std::string> services{"iperf-server", "iperf-client"};
  std::size_t buckets = 100;  // of 10 ms
  bool has_iperf = true;
  bool has_analysis = true;                // with reconciliation.json and metrics.json
  std::string identity_verdict = "exact";  // of its one identity
  std::string verdict = "pass";            // of the run
  std::string reason{};
};

// Writes manifest.json, counters/container.csv and, as asked for, iperf/, analysis/,
// reconciliation.json and metrics.json into `folder`. The first service receives what the others
// send: 1 MB a bucket each, from bucket 10 to the tenth from the end.
void make_bundle(const std::filesystem::path& folder, const MadeBundle& wanted);

}  // namespace tl::test
