// Live capture of one device in one network namespace, with an account in which every packet has
// its place.
//
// Order of use: construct (socket open, everything discarded) → arm() (from here on every matching
// packet is counted) → run() until told to stop → finish(). The identity received = written +
// kernel_dropped + discarded is exact because the filter is closed and the ring drained to silence
// before each reading of the kernel's counters.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/netns.hh"

namespace tl {

struct CaptureOptions {
  std::string device;
  std::filesystem::path file;  // NAME.pcap; the account goes beside it as NAME.capture.json
  std::string filter;          // pcap-filter(7); empty takes everything
  std::uint32_t snaplen_bytes = 96;
  std::uint64_t ring_bytes = 32ULL << 20;
};

// Throws UsageError when libpcap does not understand the filter. Needs no privilege and no device.
void check_filter(const std::string& filter, std::uint32_t snaplen_bytes);

class Capture {
 public:
  // Opens the socket in the namespace; nothing is captured yet. Throws UsageError (filter, no such
  // device) or MachineError (privilege, memory).
  Capture(const NetNs& netns, CaptureOptions options);
  ~Capture();
  Capture(Capture&&) noexcept;

  // Opens the filter. Returns the moment (ns since the epoch) from which every matching packet is
  // counted.
  std::int64_t arm();
  // Captures until `stop` becomes true, writing fails or the device goes away. Any thread; one at a
  // time.
  void run(const std::atomic<bool>& stop);
  // Closes the filter, drains the ring, finishes the file and writes the account. Returns it
  // (docs/bundle.md).
  nlohmann::json finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tl
