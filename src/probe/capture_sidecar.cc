#include "probe/capture_sidecar.hh"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/errors.hh"

namespace tl {
namespace {
constexpr off_t kReservedBytes = 128 << 10;  // more than ClockRecord's longest series takes
}

CaptureSidecar::CaptureSidecar(std::filesystem::path path)
    : path_{std::move(path)},
      part_{path_.native() + ".part"},
      fd_{open_fd(part_, O_WRONLY | O_CREAT | O_TRUNC)} {
  if (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0, kReservedBytes) != 0 && errno != EOPNOTSUPP)
    throw_errno("reserve room for", part_.native());
}

void CaptureSidecar::write(std::string_view text) {
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) throw_errno("rewind", part_.native());
  write_all(fd_.get(), text, part_.native());
}

void CaptureSidecar::finish(std::string_view text) {
  write(text);
  // Also gives back what was reserved and not needed.
  if (::ftruncate(fd_.get(), static_cast<off_t>(text.size())) != 0)
    throw_errno("truncate", part_.native());
  if (::fsync(fd_.get()) != 0) throw_errno("sync", part_.native());
  if (::rename(part_.c_str(), path_.c_str()) != 0) throw_errno("rename to", path_.native());
  sync_folder(path_.parent_path());
}

}  // namespace tl
