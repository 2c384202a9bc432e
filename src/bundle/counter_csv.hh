// The counter streams of a bundle (counters/*.csv, docs/bundle.md): one line a series and bucket.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

namespace tl {

// The counted columns, in file order. skb: as the kernel saw the packet; wire: after segmentation.
struct CounterValues {
  std::uint64_t rx_bytes = 0, rx_packets = 0, tx_bytes = 0, tx_packets = 0;
  std::uint64_t rx_wire_bytes = 0, rx_wire_packets = 0, tx_wire_bytes = 0, tx_wire_packets = 0;
  CounterValues& operator+=(const CounterValues& other);
  bool operator==(const CounterValues&) const = default;
};

struct CounterRow {
  std::int64_t time_ns = 0;  // start of the bucket, ns since the epoch
  std::string_view
      series;  // the naming columns as they stand: "iperf-server", "4026532,eth0", "5201,local"
  CounterValues values;
};

// Calls `visit` for every row in file order; the row's views end with the call. Throws
// MeasurementError "FILE:LINE: …" for a line that is not a row.
void each_counter_row(const std::filesystem::path& file,
                      const std::function<void(const CounterRow&)>& visit);

}  // namespace tl
