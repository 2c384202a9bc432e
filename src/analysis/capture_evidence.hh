// Everything a bundle says about one of its captures, from one walk over the file: what the
// reconciliation needs, and the documents under analysis/.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "analysis/reconcile.hh"
#include "analysis/rtt_half.hh"

namespace tl {

using MacAddress = std::array<std::uint8_t, 6>;
// "02:42:c6:12:00:02"; nullopt for anything else.
std::optional<MacAddress> parse_mac(const std::string& text);

struct CaptureEvidence {
  Amounts outside;  // of `frames`, those not within the given time
  Amounts frames;   // tx: frames with the device's own address as source; rx: all others
  std::int64_t tx_payload_bytes = 0;
  std::vector<CapturedStream> streams;
  std::array<RttStatistics, 2> rtt;  // by RttEnd, all connections
  std::string damage;  // why reading ended before the end of the file; empty: it did not
  // analysis/SERVICE.json (summary, flows, RTT) and analysis/SERVICE.series.csv.
  std::map<std::string, std::string> documents;
};

// [from, to), ns since the epoch.
struct TimeSpan {
  std::int64_t from_ns = INT64_MIN, to_ns = INT64_MAX;
};

// Reads captures/SERVICE.pcap below `folder`. `within`: when the counters counted. Throws
// UsageError when it is no capture.
CaptureEvidence read_capture(const std::filesystem::path& folder, const std::string& service,
                             const MacAddress& mac, std::chrono::nanoseconds interval,
                             const TimeSpan& within);

// The comparison of two captures of one exchange: analysis/exchange.json. Both ran from before its
// first packet until after its last.
std::string exchange_document(const std::filesystem::path& folder, const std::string& a,
                              const std::string& b);

}  // namespace tl
