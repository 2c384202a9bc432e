// ICMP echo, one round at a time: a fixed number of requests to one destination, sent on a fixed
// schedule whatever comes back, and an account of every one of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "probe/resolve.hh"

namespace tl {

struct PingOptions {
  int count = 5;
  std::chrono::milliseconds interval{200};  // between sends, whether or not replies came
  std::chrono::milliseconds timeout{1000};  // of each request, from its sending
  IpFamily family = IpFamily::any;
  std::size_t payload_bytes = 56;  // 8 or more; the ICMP header comes on top
  std::chrono::milliseconds resolve_timeout{5000};
  bool allow_datagram_socket = true;  // false: raw sockets only
};

// Between which two moments a round trip was measured.
enum class PingClock {
  kernel,          // the kernel handed it to the device … the kernel took it from the device
  kernel_receive,  // we called send … the kernel took it from the device
  user,            // we called send … we saw it
};
const char* text_of(PingClock clock);

struct PingReply {
  std::uint16_t sequence = 0;  // 0 is the first request
  std::chrono::nanoseconds rtt{0};
  PingClock clock = PingClock::user;
  // From our call of send to the kernel's receive stamp, which is what ping and fping show: longer
  // than `rtt` by the way into the kernel. Without such a stamp, from send to when we saw it.
  std::chrono::nanoseconds rtt_from_send{0};
};

struct PingResult {
  int attempts = 0;
  int send_errors = 0;  // the kernel refused to send: no route, for example
  int received = 0;     // distinct requests that were answered in time
  int duplicates = 0;   // further answers to an answered request
  int late = 0;         // answered after the timeout: counted as lost
  int reordered = 0;    // received, but after the answer to a later request
  int mismatched = 0;   // our identifier with a wrong payload, source or sequence: forged
  int unreachable = 0;  // requests that a router or host answered with an ICMP error
  std::vector<PingReply> replies;  // one per received, in order of arrival
  std::string address;             // what the name resolved to
  bool used_raw_socket = false;
  std::string error;  // the latest reason why a request was not sent or not answered; may be empty

  [[nodiscard]] bool ok() const { return received > 0; }
  // 1 when nothing could be sent: an unreachable host never looks perfect.
  [[nodiscard]] double loss_ratio() const {
    return attempts == 0 ? 1.0 : static_cast<double>(attempts - received) / attempts;
  }
};

// Never throws for the network's sake: an unknown host, no permission and no route are results with
// every attempt failed. Takes at most resolve_timeout + (count - 1) x interval + timeout.
PingResult ping(const std::string& host, const PingOptions& options = {});

}  // namespace tl
