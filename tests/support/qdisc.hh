// What a queueing discipline says of itself, read at once over rtnetlink(7).
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.hh"
#include "base/netns.hh"

namespace tl::test {

struct QdiscStatistics {
  std::uint64_t bytes = 0, packets = 0;  // dequeued
  std::uint64_t drops = 0, requeues = 0;
  std::uint64_t backlog_bytes = 0, backlog_packets = 0;  // in it now
};

// Whether this kernel has tc-netem(8).
bool has_netem();

class QdiscReader {
 public:
  // Of the root queueing discipline of a device.
  QdiscReader(const NetNs& netns, const std::string& device);
  [[nodiscard]] QdiscStatistics read() const;

 private:
  UniqueFd socket_;
  int ifindex_ = 0;
};

}  // namespace tl::test
