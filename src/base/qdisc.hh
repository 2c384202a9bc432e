// Shaping what a device sends: a token bucket (tc-tbf(8)) and emulated delay and loss
// (tc-netem(8)), set over rtnetlink(7). The disciplines live as long as the device.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tl {

// What a link is made worse by, in each direction it is put on; zeros leave it as it is.
struct Shaping {
  std::uint64_t rate_bps = 0;         // of frames, Ethernet header included; tbf
  std::chrono::nanoseconds delay{0};  // netem
  std::uint32_t loss_ppm = 0;         // of the frames, at random; netem

  [[nodiscard]] bool needs_netem() const { return delay.count() != 0 || loss_ppm != 0; }
  [[nodiscard]] bool is_none() const { return rate_bps == 0 && !needs_netem(); }
  bool operator==(const Shaping&) const = default;
};

// The token bucket that a rate is kept with.
struct TokenBucket {
  std::uint64_t rate_bytes_per_s = 0;
  std::uint32_t burst_bytes = 0;  // 10 ms at the rate, at least 16 KiB; longer frames are segmented
  std::uint32_t limit_bytes = 0;  // what may wait: 50 ms at the rate, at least 256 KiB
};
TokenBucket token_bucket(std::uint64_t rate_bps);

// Replaces the root qdisc of a device of the calling thread's network namespace (NetNs::run).
// Throws MachineError, naming the kernel option when the kernel lacks a discipline.
void shape_device(const std::string& device, const Shaping& shaping);

}  // namespace tl
