#include "base/fd.hh"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/errors.hh"

namespace tl {

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

UniqueFd UniqueFd::duplicate() const {
  UniqueFd copy{::fcntl(fd_, F_DUPFD_CLOEXEC, 3)};
  if (!copy.valid()) throw_errno("duplicate", "file descriptor");
  return copy;
}

UniqueFd open_fd(const std::filesystem::path& path, int flags, mode_t mode) {
  UniqueFd fd{::open(path.c_str(), flags | O_CLOEXEC, mode)};
  if (!fd.valid()) throw_errno("open", path.native());
  return fd;
}

std::pair<UniqueFd, UniqueFd> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno("make", "pipe");
  return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

void allow_many_descriptors() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

std::string read_file(const std::filesystem::path& path) {
  const UniqueFd fd = open_fd(path, O_RDONLY);
  std::string bytes;
  std::array<char, 65536> chunk;
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read", path.native());
    if (n == 0) return bytes;
    bytes.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

std::string read_value(const std::filesystem::path& path, std::string_view fallback) {
  try {
    std::string value = read_file(path);
    while (!value.empty() && value.back() == '\n') value.pop_back();
    return value;
  } catch (const Error&) {
    return std::string{fallback};
  }
}

void write_all(int fd, std::string_view bytes, std::string_view object) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("write", object);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void sync_folder(const std::filesystem::path& folder) {
  const UniqueFd fd = open_fd(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
  if (::fsync(fd.get()) != 0) throw_errno("sync", folder.native());
}

std::filesystem::path output_target(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_type type = fs::symlink_status(path, error).type();
  // Nothing there, or nothing to be seen: opening it will say why.
  if (type == fs::file_type::not_found || type == fs::file_type::none) return path;
  const fs::path target = fs::canonical(path, error);
  if (error || !fs::is_regular_file(target, error))
    throw UsageError{"write " + path.native() + ": what is there is no regular file"};
  return target;
}

namespace {

// A name that nobody else can have prepared: others may write into the folders of services.
std::filesystem::path temporary_beside(const std::filesystem::path& path) {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    throw_errno("name a file beside", path.native());
  std::filesystem::path name = path;
  name += "." + std::to_string(number) + ".tmp";
  return name;
}

}  // namespace

void write_file_atomic(const std::filesystem::path& path, std::string_view bytes, Sync sync) {
  const std::filesystem::path temporary = temporary_beside(path);
  try {
    const UniqueFd fd = open_fd(temporary, O_WRONLY | O_CREAT | O_EXCL);
    write_all(fd.get(), bytes, temporary.native());
    if (sync == Sync::yes && ::fsync(fd.get()) != 0) throw_errno("sync", temporary.native());
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw_errno("rename to", path.native());
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  if (sync == Sync::yes) sync_folder(path.parent_path());
}

}  // namespace tl
