// The account of a capture, in which every packet has its place, and its JSON form
// (trafficlab.capture/1, docs/bundle.md).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/clock.hh"
#include "base/netlink.hh"
#include "probe/packet_ring.hh"

namespace tl {

struct PacketSum {
  std::uint64_t packets = 0, bytes = 0;  // bytes of whole packets, whatever the snaplen
};

// What passed through the ring: sums over every packet that was read, written to the file or not.
class CaptureTally {
 public:
  // `longest_frame_bytes` is the MTU and the link-layer header.
  explicit CaptureTally(std::uint32_t longest_frame_bytes = 0)
      : longest_frame_bytes_{longest_frame_bytes} {}
  void add(const RingPacket& packet);
  [[nodiscard]] std::uint64_t packets() const { return rx_.packets + tx_.packets; }
  [[nodiscard]] nlohmann::json to_json() const;

 private:
  std::uint32_t longest_frame_bytes_;
  PacketSum rx_, tx_, over_mtu_, vlan_;
  std::uint64_t kept_bytes_ = 0, truncated_ = 0, backsteps_ = 0;
  std::int64_t first_ns_ = 0, last_ns_ = 0, earliest_ns_ = 0, latest_ns_ = 0,
               largest_backstep_ns_ = 0;
};

// REALTIME − MONOTONIC over the time of a capture. Of a long capture every second, fourth, …
// reading is kept; steps are found in all of them.
class ClockRecord {
 public:
  void note(const ClockPair& now);
  [[nodiscard]] nlohmann::json to_json() const;

 private:
  struct Step {
    std::int64_t mono_ns = 0, change_ns = 0;
  };
  std::vector<ClockPair> kept_;
  std::vector<Step> steps_;
  std::optional<ClockPair> last_;
  std::uint64_t readings_ = 0, stride_ = 1, step_count_ = 0;
};

nlohmann::json to_json(const LinkStatistics& statistics);

}  // namespace tl
