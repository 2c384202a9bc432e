// What the controller asks of the agents of a run: where to measure and how. Posted as the control
// message "plan".
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/qdisc.hh"

namespace tl {

// One service of the lab, which is one network namespace to observe.
struct PlanPoint {
  std::string service;
  pid_t pid = 0;  // of its first process, in the pid namespace of the agents (the host's)
  std::uint64_t netns_inode =
      0;                     // of its network namespace; 0 when the controller could not read it
  std::string container_id;  // empty on the netns engine
};

struct Plan {
  std::string run_id;
  std::vector<PlanPoint> points;
  std::vector<std::uint16_t> ports;               // port series to count
  std::chrono::nanoseconds interval{10'000'000};  // bucket width of the counters
  std::uint32_t snaplen_bytes = 96;
  std::uint64_t ring_bytes = 32ULL << 20;  // capture ring, per point
  std::string filter;                      // pcap-filter(7); empty captures everything
  Shaping link;                            // set on every point's devices before they are described
};

void to_json(nlohmann::json& j, const PlanPoint& p);
void from_json(const nlohmann::json& j, PlanPoint& p);
void to_json(nlohmann::json& j, const Plan& p);
void from_json(const nlohmann::json& j, Plan& p);

}  // namespace tl
