// The log of both pacing modes: one line a poll.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pace/metric_source.hh"

namespace tl::pace {

enum class TimeStyle : std::uint8_t {
  local,  // 2026-11-21 10:15:00, the machine's time zone
  utc,    // the same in UTC
  iso     // 2026-11-21T09:15:00.123456789Z
};

struct RowStyle {
  TimeStyle time = TimeStyle::local;
  bool extended = false;  // more columns, behind the four
};

struct CostRow {
  std::int64_t time_ns = 0;  // when the poll began, since the epoch
  std::string metric;        // the expression as it was given
  WireCost cost;
  std::string error;  // why there is no answer
  // The columns of the extended form.
  std::int64_t interval_ns = 0;  // since the poll before; 0: the first
  std::uint64_t samples = 0, changes = 0;
  std::optional<std::int64_t> staleness_ns;  // the oldest change that this poll found
  std::string mode;
};

// RFC 4180, lines end in CR LF. The four columns are exactly
//   Timestamp,Metric,Bandwidth (Mbps),Data Size (KB)
// Bandwidth: 10^6 bit/s; all bytes of the exchange, request and headers included, over its
// duration. Data size: 1024 bytes; the same bytes. A poll without an answer has no bandwidth.
std::string cost_header(const RowStyle& style);
std::string cost_line(const CostRow& row, const RowStyle& style);

}  // namespace tl::pace
