// CSV files that several runs append to (RFC 4180).
#pragma once

#include <filesystem>
#include <string>

#include "base/fd.hh"

namespace tl::live {

// The cell, quoted when it holds a comma, a quote or a line break.
std::string csv_cell(const std::string& text);

// Appends whole lines. A new or empty file gets the header first; a last line that a killed process
// left unfinished is completed with a line break, so that it spoils no other.
class CsvFile {
 public:
  // "-" is stdout. Throws MachineError when the file cannot be opened, and UsageError when it
  // begins with another header.
  CsvFile(const std::filesystem::path& path, const std::string& header);
  void append(const std::string& line);

 private:
  std::string name_;
  UniqueFd file_;
};

}  // namespace tl::live
