// The file of stored samples: every sample once, also when runs follow each other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "live/csv.hh"
#include "pace/prometheus_answer.hh"

namespace tl::pace {

// CSV with the columns Time (ms), Series, Value. The file is also the memory of the runs: where it
// ends, the next run goes on.
class SampleLog {
 public:
  // Throws MachineError when the file cannot be opened, UsageError when it is another kind of file.
  explicit SampleLog(const std::filesystem::path& path);
  void append(const SeriesSamples& series);
  // The time of the latest sample of each series that the file already had.
  [[nodiscard]] const std::map<std::string, std::int64_t>& known() const { return known_; }

 private:
  std::map<std::string, std::int64_t> known_;
  live::CsvFile file_;
};

}  // namespace tl::pace
