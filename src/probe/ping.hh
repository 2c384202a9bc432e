// ICMP echo, one round at a time: a fixed number of requests to one destination and an account of
// every one of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace tl {

struct PingOptions {
  int count = 5;
  std::chrono::milliseconds interval{200};  // between sends, whether or not replies came
  std::chrono::milliseconds timeout{1000};  // after the last send
};

struct PingResult {
  int attempts = 0;
  int send_errors = 0;  // the kernel refused: no route, for example
  int received = 0;     // distinct requests that were answered in time
  int duplicates = 0;
  std::vector<std::chrono::nanoseconds> rtts;  // one per received, in order of arrival
  std::string error;                           // why nothing could be sent; empty otherwise
  [[nodiscard]] bool ok() const { return received > 0; }
  [[nodiscard]] double loss_ratio() const {
    return attempts == 0 ? 1.0 : static_cast<double>(attempts - received) / attempts;
  }
};

// Never throws for the network's sake: an unknown host, no permission and no route are results.
// Tries a datagram ICMP socket (net.ipv4.ping_group_range), then a raw one (CAP_NET_RAW). IPv4 and
// IPv6.
PingResult ping(const std::string& host, const PingOptions& options = {});

}  // namespace tl
