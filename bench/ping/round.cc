// One round of pings, as the probes make it: prints the medians of the round-trip time by the
// kernel's clock and from the call of send, in microseconds. Run by run.py.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "probe/ping.hh"
#include "probe/ping_statistics.hh"

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: bench_ping HOST COUNT\n", stderr), 2;
  tl::PingOptions options;
  options.count = std::atoi(argv[2]);
  options.interval = std::chrono::milliseconds{10};
  const tl::PingResult result = tl::ping(argv[1], options);
  std::vector<double> kernel_us, from_send_us;
  for (const tl::PingReply& reply : result.replies) {
    if (reply.clock == tl::PingClock::kernel)
      kernel_us.push_back(static_cast<double>(reply.rtt.count()) / 1e3);
    from_send_us.push_back(static_cast<double>(reply.rtt_from_send.count()) / 1e3);
  }
  fmt::print("{{\"received\": {}, \"kernel_us\": {}, \"from_send_us\": {}}}\n", result.received,
             tl::nearest_rank(kernel_us, 0.5).value_or(-1),
             tl::nearest_rank(from_send_us, 0.5).value_or(-1));
  return result.received == options.count ? 0 : 1;
}
