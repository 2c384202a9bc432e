// Whether a counter stream is what it promises: the same rows for every series, one interval apart,
// none missing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bundle/counter_csv.hh"

namespace tl {

struct SeriesCheck {
  struct Series {
    std::uint64_t rows = 0;
    std::int64_t first_ns = 0, last_ns = 0;  // bucket starts
    std::uint64_t missing = 0;               // buckets without a row between first and last
    std::uint64_t misplaced = 0;             // rows off the grid, repeated or going back
    CounterValues sum;
  };
  std::map<std::string, Series> series;
  // One line for everything that breaks density; empty for a dense stream.
  std::vector<std::string> problems;
};

// Reads the stream once. Throws MeasurementError for a file that is none.
SeriesCheck check_series(const std::filesystem::path& file, std::int64_t interval_ns);

}  // namespace tl
