// File descriptors that close themselves, and the few file operations everything else is made of.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tl {

// Owns one file descriptor. Move-only; never converts back to int by itself.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_{fd} {}
  UniqueFd(UniqueFd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  UniqueFd& operator=(UniqueFd other) noexcept {  // by value: the old fd closes with `other`
    std::swap(fd_, other.fd_);
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  ~UniqueFd();

  [[nodiscard]] int get() const noexcept { return fd_; }  // a borrow
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  [[nodiscard]] UniqueFd duplicate() const;

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC; throws MachineError naming the path.
UniqueFd open_fd(const std::filesystem::path& path, int flags, mode_t mode = 0644);
// A pipe with O_CLOEXEC: {read end, write end}.
std::pair<UniqueFd, UniqueFd> make_pipe();

// Raises this process's limit of open descriptors, usually 1024, as far as it may be
// (RLIMIT_NOFILE, getrlimit(2)).
void allow_many_descriptors();

// The whole file as bytes. Throws MachineError when it cannot be opened or read. Works on /proc and
// /sys.
std::string read_file(const std::filesystem::path& path);
// The same, or `fallback` when the file cannot be read. Trailing newlines are removed: for /proc
// and /sys values.
std::string read_value(const std::filesystem::path& path, std::string_view fallback = "");
// Writes every byte or throws; retries short writes and EINTR.
void write_all(int fd, std::string_view bytes, std::string_view object);
// Writes `path` so that readers see the old or the new content, never a part: a temporary in the
// same folder, fsync, rename, fsync of the folder. Without Sync::yes a power cut may lose the
// content, but nothing waits for the disk, which others may keep busy for seconds.
enum class Sync { no, yes };
void write_file_atomic(const std::filesystem::path& path, std::string_view bytes,
                       Sync sync = Sync::yes);
// The file that a caller means by `path`: behind its symbolic links. Throws UsageError when
// something other than a regular file is there, whose place a rename would take.
std::filesystem::path output_target(const std::filesystem::path& path);
// fsync of a folder, so that a rename in it survives a power cut.
void sync_folder(const std::filesystem::path& folder);

}  // namespace tl
