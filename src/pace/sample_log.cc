#include "pace/sample_log.hh"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "base/fd.hh"

namespace tl::pace {
namespace {

constexpr const char* kHeader = "Time (ms),Series,Value\r\n";

// The unquoted second cell of a line, or empty for a line that was not written to its end.
std::string series_cell(const std::string& line, std::size_t begin) {
  if (line[begin] != '"') {
    const std::size_t end = line.find(',', begin);
    return end == std::string::npos ? "" : line.substr(begin, end - begin);
  }
  std::string text;
  for (std::size_t at = begin + 1; at < line.size(); ++at) {
    if (line[at] != '"') {
      text += line[at];
    } else if (at + 1 < line.size() && line[at + 1] == '"') {
      text += line[++at];
    } else {
      return text;
    }
  }
  return "";
}

// A killed run may have left half a line, whose sample is fetched again.
void cut_torn_line(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(path)) return;
  const std::string text = read_file(path);
  const std::size_t end = text.rfind("\r\n");
  std::filesystem::resize_file(path, end == std::string::npos ? 0 : end + 2);
}

std::map<std::string, std::int64_t> latest_times(const std::filesystem::path& path) {
  if (path == "-") return {};
  cut_torn_line(path);
  std::map<std::string, std::int64_t> latest;
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);) {
    std::int64_t time_ms = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), time_ms);
    const auto comma = static_cast<std::size_t>(end - line.data());
    if (error != std::errc{} || comma + 1 >= line.size() || !line.ends_with('\r')) continue;
    const std::string series = series_cell(line, comma + 1);
    if (!series.empty()) latest[series] = std::max(latest[series], time_ms * 1'000'000);
  }
  return latest;
}

}  // namespace

SampleLog::SampleLog(const std::filesystem::path& path)
    : known_{latest_times(path)}, file_{path, kHeader} {}

void SampleLog::append(const SeriesSamples& series) {
  std::string lines;
  for (const Sample& sample : series.samples)
    lines += fmt::format("{},{},{}\r\n", sample.time_ns / 1'000'000, live::csv_cell(series.series),
                         sample.value);
  file_.append(lines);
}

}  // namespace tl::pace
