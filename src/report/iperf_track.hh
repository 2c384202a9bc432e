// What iperf said of its own test over time, as seen from the kernel's clock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tl {

struct IperfInterval {
  std::int64_t start_us = 0, end_us = 0;  // since the beginning of iperf's test
  std::uint64_t bytes = 0;                // payload of all streams
  std::optional<std::int64_t> retransmits;
  bool is_omitted = false;  // iperf's own warm-up (--omit)
};

struct IperfTrack {
  std::string side;     // "client", "server"
  std::string service;  // "iperf-client", …
  bool is_sender = false;
  nlohmann::json test;  // what iperf was asked for, its "test_start"; null when it does not say
  std::vector<IperfInterval> intervals;
  std::vector<std::uint16_t> client_ports;  // of the test's connections
  std::string missing;                      // why there are no intervals; empty when there are
};

// Reads iperf/client.json or iperf/server.json of a bundle.
IperfTrack read_iperf_track(const std::filesystem::path& bundle, const std::string& side);

// When iperf's test began, ns since the epoch: iperf itself says so only to the second, so it is
// the time of the first packet of the last of its connections to begin, in `capture_summary`
// (analysis/SERVICE.json). nullopt when the capture has none of them.
std::optional<std::int64_t> iperf_zero_ns(const IperfTrack& track,
                                          const nlohmann::json& capture_summary);

}  // namespace tl
