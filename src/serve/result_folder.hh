// The folder of results as the web server may see it: regular files below it, nothing else. The
// kernel enforces the limits (openat2(2)), so a path that anybody makes up cannot leave it, not
// even through a link that is swapped in while it is looked up.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hh"

namespace tl {

// A regular file, open for reading.
struct ResultFile {
  UniqueFd fd;
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;  // CLOCK_REALTIME
  std::uint64_t inode = 0;
};

class ResultFolder {
 public:
  // Throws UsageError when `path` is no folder.
  explicit ResultFolder(const std::filesystem::path& path);

  // The file at a relative path below the folder. nullopt when there is none, when it is not a
  // regular file, or when a link or ".." is part of the way.
  [[nodiscard]] std::optional<ResultFile> open(const std::string& relative) const;
  // Its text, up to `most_bytes`; nullopt as open(), or when it is longer.
  [[nodiscard]] std::optional<std::string> read(const std::string& relative,
                                                std::size_t most_bytes) const;
  // The names of the folders in it that may hold runs, links excluded, in no order.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  // Whether this can be the name of a run's folder: [A-Za-z0-9._-], not "." or "..", at most 255.
  static bool is_name(std::string_view text);

 private:
  std::filesystem::path path_;
  UniqueFd fd_;
};

}  // namespace tl
