#include "support/corpus.hh"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace tl::test {
namespace {

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> out(1);
  for (const char c : line)
    if (c == '\t')
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

}  // namespace

std::optional<std::filesystem::path> corpus_folder() {
  std::vector<std::filesystem::path> places;
  if (const char* named = std::getenv("TL_PCAPS"); named != nullptr) places.emplace_back(named);
  const std::filesystem::path source{TL_SOURCE_DIR};
  for (const auto& base : {source.parent_path(), source.parent_path().parent_path()})
    places.push_back(base / "shared" / "pcaps");
  for (const auto& place : places)
    if (std::filesystem::exists(place / "MANIFEST.tsv")) return place;
  return std::nullopt;
}

std::vector<ManifestRow> corpus_manifest(const std::filesystem::path& folder) {
  std::ifstream file{folder / "MANIFEST.tsv"};
  std::string line;
  std::getline(file, line);
  const auto names = cells(line);
  std::vector<ManifestRow> rows;
  while (std::getline(file, line)) {
    const auto values = cells(line);
    ManifestRow row;
    for (std::size_t i = 0; i < names.size(); ++i)
      row[names[i]] = i < values.size() ? values[i] : "";
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::filesystem::path> corpus_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const char* part : {"corpus", "edge", "rtt"})
    for (const auto& entry : std::filesystem::recursive_directory_iterator{folder / part}) {
      const std::string extension = entry.path().extension();
      if (entry.is_regular_file() && extension != ".py" && extension != ".md")
        files.push_back(entry.path());
    }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace tl::test
