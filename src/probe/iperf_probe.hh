// Bandwidth by a TCP test and jitter by a UDP test against an iperf3 server, because a TCP test has
// no jitter and a UDP test measures the rate it was told to send.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tl {

struct IperfProbeOptions {
  std::string server;
  std::uint16_t port = 5201;
  std::chrono::seconds duration{10};     // of the TCP test
  std::chrono::seconds udp_duration{5};  // 0: no UDP test
  std::uint64_t udp_bitrate_bps = 10'000'000;
  bool reverse = false;  // the server sends
  int attempts = 3;      // when the server is busy with another test
};

// What one test says; a number that it does not define is absent.
struct IperfTcp {
  std::optional<double> bandwidth_mbps;  // 10^6 bit/s of payload that arrived
  std::optional<std::int64_t> retransmits;
  std::string error;  // empty for a complete test
};
struct IperfUdp {
  std::optional<double> jitter_ms;  // RFC 3550, by the receiver
  std::optional<std::int64_t> lost_packets, packets;
  std::string error;
};
// Reads iperf3's own JSON. Its exit code says nothing: iperf 3.12 ends with 0 and an "error" key
// when it cannot connect.
IperfTcp read_iperf_tcp(std::string_view json);
IperfUdp read_iperf_udp(std::string_view json);
bool is_busy(const std::string& error);

struct IperfOutcome {
  IperfTcp tcp;
  IperfUdp udp;
  bool has_udp = false;
};

// Runs iperf3 with these options for at most `limit` and returns what it prints. Throws
// MachineError, also over the limit.
using RunIperfClient = std::function<std::string(const std::vector<std::string>& options,
                                                 std::chrono::nanoseconds limit)>;
// `program traffic iperf …` in a child process group of its own, which is killed over the limit
// (libiperf keeps global state and may exit). The default program is this one.
RunIperfClient iperf_client(const std::string& program = "/proc/self/exe");

// Never throws for the network's sake. `pause` waits between attempts at a busy server and gets a
// number of seconds; the n-th is random up to 2^n, so that two waiting clients do not meet again.
IperfOutcome probe_iperf(const IperfProbeOptions& options, const RunIperfClient& run,
                         const std::function<void(double seconds)>& pause);

}  // namespace tl
