// Live capture of one device in one network namespace, with an account in which every packet has
// its place.
//
// Order of use: construct (socket and ring ready behind a closed filter) → arm() (from here on
// every matching packet is counted) → run() until told to stop → finish(). Privileges are needed by
// the constructor alone. The identity received = written + kernel_dropped + discarded is exact,
// because no packet reaches the socket before the filter is open and because the filter is closed
// and the ring drained to silence before the kernel's counters are read for the last time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/netns.hh"
#include "probe/capture_series.hh"
#include "probe/packet_filter.hh"

namespace tl {

struct CaptureOptions {
  std::string device;
  std::filesystem::path file;  // NAME.pcap; the account goes beside it as NAME.capture.json
  std::string filter;          // pcap-filter(7); empty takes everything
  std::uint32_t snaplen_bytes = 96;
  std::uint64_t ring_bytes = 32ULL << 20;
  // Capturing stops before the file system has less free than this; 0: not before it is full.
  std::uint64_t min_free_bytes = 16ULL << 20;
  Rotation rotation;
  // The capture ends by itself once it has written so much; 0: not for this reason. What comes
  // until then in the ring is `beyond_stop` in the account, and discarded.
  std::uint64_t stop_packets = 0, stop_bytes = 0;
};

// Where the account of a capture file is.
std::filesystem::path account_path(const std::filesystem::path& capture_file);

class Capture {
 public:
  // Throws UsageError (filter, no such device) or MachineError (privilege, device down, memory).
  Capture(const NetNs& netns, CaptureOptions options);
  ~Capture();
  Capture(Capture&&) noexcept;

  // Makes the file, NAME.pcap.part, and opens the filter. Returns the moment (ns since the epoch)
  // from which every matching packet is counted. Throws MachineError when the file cannot be made.
  std::int64_t arm();
  // Captures until `stop` becomes true, enough is written, writing fails or the device goes away;
  // looks at `stop` at least every 20 ms. Any thread, one at a time.
  void run(const std::atomic<bool>& stop);
  // Closes the filter, drains the ring, finishes the file and writes the account. Returns it
  // (docs/bundle.md). The file has its final name if and only if the outcome is "ok".
  nlohmann::json finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tl
