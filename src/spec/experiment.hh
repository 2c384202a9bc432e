// One experiment: everything that decides what a run does. Passive; made by spec/parse from a file
// and flags, checked once, then only read.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/qdisc.hh"

namespace tl {

enum class Protocol { tcp, udp };

struct Experiment {
  std::string name = "run";     // [A-Za-z0-9._-], part of the bundle's folder name
  std::string engine = "auto";  // auto, docker, netns
  std::chrono::nanoseconds duration{60'000'000'000};
  std::chrono::nanoseconds interval{10'000'000};  // bucket width of the counters: 100 us to 1 s
  std::uint16_t port = 5201;
  Protocol protocol = Protocol::tcp;
  std::int64_t parallel = 1;
  std::uint64_t bitrate_bps = 0;  // per stream; 0 leaves iperf3's default
  bool reverse = false;
  std::string congestion;       // of TCP, such as "reno"; empty is the kernel's default
  std::uint32_t mss_bytes = 0;  // of TCP; 0 is what the path allows
  std::uint32_t snaplen_bytes = 96;
  std::uint64_t ring_bytes = 32ULL << 20;  // capture ring of each point
  std::string filter;                      // pcap-filter(7); empty captures everything
  Shaping link;                            // of what each service sends
  std::vector<std::string> iperf_options;  // passed on to the iperf client as they are
};

}  // namespace tl
