// A TCP transfer over a network of known delay and loss, as taps at both of its ends would capture
// it. Nothing is reordered. The sender repeats a hole after three duplicate ACKs or a timeout; the
// receiver delays ACKs and reports selectively. Deterministic for a seed.
#pragma once

#include <cstdint>
#include <vector>

#include "support/capture_maker.hh"

namespace tl::test {

struct NetworkShape {
  std::uint32_t segments = 400;
  std::uint32_t segment_bytes = 1000;
  std::uint32_t most_in_flight = 20;  // segments
  std::int64_t to_server_us = 6000, to_client_us = 4000;
  std::int64_t jitter_us = 500;        // added to either way, evenly from 0
  std::int64_t delayed_ack_us = 3000;  // of every second segment in order; 0: every one at once
  std::uint32_t loss_per_mille = 0;    // of data
  std::uint32_t ack_loss_per_mille = 0;
  bool counts_identity = true;  // IPv4 identification goes up with every packet, else it is 1
  std::uint32_t seed = 1;
};

struct Exchange {
  std::vector<MadePacket> at_client, at_server;
  std::uint64_t lost_to_server = 0, lost_to_client = 0;  // packets
};

Exchange simulate(const NetworkShape& shape);

}  // namespace tl::test
