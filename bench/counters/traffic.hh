// What the counters are measured on: veth pairs between two namespaces, with small UDP datagrams
// round robin over some of the pairs, or one TCP stream over the first: between two threads, each
// on a CPU of its own, or of one thread that sends and receives by turns, which is much steadier.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "base/netns.hh"

namespace tl::bench {

// Devices tlb0, tlb1, … with the addresses 198.18.N.1 (left) and 198.18.N.2 (right).
class Fan {
 public:
  explicit Fan(int pairs);
  NetNs left, right;
  int pairs;
};

enum class Kind : std::uint8_t { udp, tcp, tcp_by_turns };

// Sends from left to right until it is destroyed.
class Stream {
 public:
  // `busy`: how many of the pairs UDP goes over. `per_second`: datagrams; 0 is as fast as it goes.
  Stream(const Fan& fan, Kind kind, int busy = 1, std::uint64_t per_second = 0);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  // Datagrams, or bytes of the TCP stream, handed to the kernel so far.
  [[nodiscard]] std::uint64_t sent() const { return sent_; }

 private:
  void send_udp(std::uint64_t per_second);
  void send_tcp();
  void receive_tcp();
  void take_turns();
  std::vector<UniqueFd> senders_, sinks_;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<bool> ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tl::bench
