// The runs of a series as tables: one line a run for other programs, one line an experiment for
// people.
#pragma once

#include <filesystem>
#include <string>

namespace tl {

struct SeriesTables {
  // RFC 4180 with a header: run, bundle, arm, the settings that vary, round, is_warmup, verdict,
  // then every metric of docs/metrics.md. What has no value is empty.
  std::string csv;
  // Markdown: for every experiment the runs that count, and the median and range of a few metrics.
  std::string markdown;
};

// Throws UsageError for a bundle that is no series.
SeriesTables series_tables(const std::filesystem::path& series);

}  // namespace tl
