// The kernel's own idea of wire lengths: qdisc_skb_cb.pkt_len at the trace event net_dev_queue
// (tests/bpf/queue_length.bpf.c).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/netns.hh"

struct queue_length;

namespace tl::test {

class QueueLength {
 public:
  // Sums from now on what is queued for `device`.
  explicit QueueLength(const NetNs& netns, const std::string& device = "eth0");
  [[nodiscard]] std::uint64_t packets() const;
  [[nodiscard]] std::uint64_t wire_bytes() const;

 private:
  std::unique_ptr<queue_length, void (*)(queue_length*)> program_;
};

}  // namespace tl::test
