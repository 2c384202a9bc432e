// Buckets as rows for people and programs: what the standalone counters print.
#pragma once

#include <cstdint>
#include <string>

#include "probe/counter_files.hh"
#include "probe/counter_session.hh"

namespace tl {

enum class RowFormat : std::uint8_t { text, csv, jsonl };
enum class RowKind : std::uint8_t { total, container, port };

// Formats bucket after bucket. text: time in ns since the first bucket, RX, TX, a separator. csv:
// the columns of the bundle's streams. jsonl: one object a row, {"time_ns", "container" or "port"
// and "side", the counts, "partial"}. With `Offered::shown` what was offered to queueing
// disciplines follows: a line, four columns or four members.
enum class Offered : bool { left_out, shown };
class RowWriter {
 public:
  RowWriter(RowFormat format, RowKind kind, const CounterGrid& grid, std::uint64_t first_epoch,
            Offered offered)
      : format_{format}, kind_{kind}, grid_{grid}, first_epoch_{first_epoch}, offered_{offered} {}

  // What comes before all rows: the CSV header.
  [[nodiscard]] std::string header() const;
  // Appends the rows of a bucket to `to`; returns how many. `is_partial`: counting did not cover
  // all of it.
  std::uint64_t write(const Bucket& bucket, const SeriesNames& names, bool is_partial,
                      std::string& to) const;

 private:
  RowFormat format_;
  RowKind kind_;
  CounterGrid grid_;
  std::uint64_t first_epoch_;
  Offered offered_;
};

}  // namespace tl
