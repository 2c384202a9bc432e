// iperf3's own JSON, read with suspicion: it counts as a result only when it is complete and
// without an error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace tl {

struct IperfResult {
  nlohmann::json document;           // what was parsed; null when nothing could be
  std::optional<std::string> error;  // why it does not count; nullopt for a good result
  std::uint64_t bytes_sent = 0;      // payload of all streams, by the sending side
  std::uint64_t bytes_received =
      0;  // payload of all streams, by the receiving side; 0 when the file does not say
  double seconds = 0;                       // measured length of the test
  std::optional<std::int64_t> retransmits;  // TCP senders only
  std::string version;                      // "iperf 3.12"
};

// Parses the text of an iperf3 --json run of either side. Text around the JSON object is ignored;
// NaN and infinities, which iperf3 writes for empty intervals, are read as null. Anything missing
// becomes `error`, never an exception.
IperfResult parse_iperf(std::string_view text);
// The same for a file; an unreadable one becomes `error`.
IperfResult read_iperf(const std::filesystem::path& path);

}  // namespace tl
