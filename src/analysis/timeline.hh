// The counter series of a bundle as columns on one grid: what plots and distributions are made of.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tl {

enum class Column : std::uint8_t {
  rx_bytes,
  rx_packets,
  tx_bytes,
  tx_packets,
  rx_wire_bytes,
  rx_wire_packets,
  tx_wire_bytes,
  tx_wire_packets,
};
inline constexpr std::array<std::string_view, 8> kColumnNames{
    "rx_bytes",      "rx_packets",      "tx_bytes",      "tx_packets",
    "rx_wire_bytes", "rx_wire_packets", "tx_wire_bytes", "tx_wire_packets"};

// Counts of one service, a value a bucket. Bytes are those of frames, Ethernet header included.
struct TimelineSeries {
  std::string name;
  std::array<std::vector<std::uint64_t>, kColumnNames.size()> columns;

  [[nodiscard]] const std::vector<std::uint64_t>& operator[](Column column) const {
    return columns[static_cast<std::size_t>(column)];
  }
};

// Every series has `buckets` values; bucket i is [first_ns + i·interval_ns, + interval_ns) since
// the epoch.
struct Timeline {
  std::int64_t first_ns = 0;
  std::int64_t interval_ns = 0;
  std::size_t buckets = 0;
  std::vector<TimelineSeries> series;  // in the order of the file
  std::string missing;                 // why there is none; empty when there is one
};

// Reads a counter stream. A file that is missing, damaged, or not dense makes a timeline with
// `missing` set and no series: a plot with invented zeros would lie.
Timeline read_timeline(const std::filesystem::path& file);

}  // namespace tl
