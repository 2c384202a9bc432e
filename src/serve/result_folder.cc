#include "serve/result_folder.hh"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/errors.hh"

namespace tl {
namespace {

UniqueFd open_beneath(int folder, const std::string& relative) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // a FIFO must not hold the server up
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return UniqueFd{
      static_cast<int>(::syscall(SYS_openat2, folder, relative.c_str(), &how, sizeof how))};
}

}  // namespace

ResultFolder::ResultFolder(const std::filesystem::path& path) : path_{path} {
  if (!std::filesystem::is_directory(path))
    throw UsageError{"results '" + path.native() + "': no such folder"};
  fd_ = open_fd(path, O_RDONLY | O_DIRECTORY);
}

std::optional<ResultFile> ResultFolder::open(const std::string& relative) const {
  // A path with a NUL would be cut by the system call.
  if (relative.empty() || relative.find('\0') != std::string::npos) return std::nullopt;
  ResultFile file{open_beneath(fd_.get(), relative), 0, 0, 0};
  struct stat status {};
  if (!file.fd.valid() || ::fstat(file.fd.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return std::nullopt;
  file.bytes = static_cast<std::uint64_t>(status.st_size);
  file.modified_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  file.inode = status.st_ino;
  return file;
}

std::optional<std::string> ResultFolder::read(const std::string& relative,
                                              std::size_t most_bytes) const {
  const auto file = open(relative);
  if (!file || file->bytes > most_bytes) return std::nullopt;
  std::string text(file->bytes, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::read(file->fd.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  text.resize(done);
  return text;
}

std::vector<std::string> ResultFolder::names() const {
  std::vector<std::string> names;
  const UniqueFd here{::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  UniqueFd copy = here.duplicate();
  const std::unique_ptr<DIR, int (*)(DIR*)> entries{::fdopendir(copy.get()), &::closedir};
  if (!entries) throw_errno("read folder", path_.native());
  (void)copy.release();  // closed with `entries`
  while (const dirent* entry = ::readdir(entries.get()))
    if ((entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) && is_name(entry->d_name))
      names.emplace_back(entry->d_name);
  return names;
}

bool ResultFolder::is_name(std::string_view text) {
  constexpr std::size_t kMostBytes = 255;  // NAME_MAX
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kMostBytes && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), is_allowed);
}

}  // namespace tl
