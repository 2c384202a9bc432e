// tcpdump as a witness: a child process, and the lengths in the file it writes, read without any
// code of the product.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/netns.hh"
#include "base/process.hh"
#include "support/temporary.hh"

namespace tl::test {

struct Frames {
  std::uint64_t packets = 0, bytes = 0;
  bool operator==(const Frames&) const = default;
};

class Tcpdump {
 public:
  // Captures `device` from now on.
  explicit Tcpdump(const NetNs& netns, const std::string& device = "eth0");
  // Ends it once the file has so many packets, or 10 s later. The original lengths, summed by the
  // senders' link addresses ("02:00:00:00:00:01").
  std::map<std::string, Frames> finish(std::uint64_t packets);

 private:
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "tcpdump.pcap"; }
  Child start(const NetNs& netns, const std::string& device);
  TemporaryFolder folder_;
  Child child_;
};

}  // namespace tl::test
