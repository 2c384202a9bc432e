#include "probe/capture_file.hh"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

struct FileHeader {
  std::uint32_t magic = 0xa1b23c4d;  // nanoseconds, byte order of this machine
  std::uint16_t major = 2, minor = 4;
  std::uint32_t zone = 0, accuracy = 0;
  std::uint32_t snaplen = 0, link_type = 0;
};
static_assert(sizeof(FileHeader) == 24);

struct RecordHeader {
  std::uint32_t seconds = 0, nanoseconds = 0, kept = 0, length = 0;
};
static_assert(sizeof(RecordHeader) == 16);

}  // namespace

CaptureFile::CaptureFile(std::filesystem::path path, std::uint32_t snaplen_bytes,
                         std::uint32_t link_type)
    : path_{std::move(path)},
      part_{path_.native() + ".part"},
      fd_{open_fd(part_, O_WRONLY | O_CREAT | O_TRUNC)} {
  FileHeader header;
  header.snaplen = snaplen_bytes;
  header.link_type = link_type;
  write_all(fd_.get(), {reinterpret_cast<const char*>(&header), sizeof header}, part_.native());
  flushed_bytes_ = sizeof header;
  buffer_.reserve(kBufferBytes + (1 << 19));
}

bool CaptureFile::add(std::int64_t time_ns, const unsigned char* bytes, std::uint32_t kept,
                      std::uint32_t length) {
  if (!failure_.empty()) return false;
  const RecordHeader header{static_cast<std::uint32_t>(time_ns / kNsPerSecond),
                            static_cast<std::uint32_t>(time_ns % kNsPerSecond), kept, length};
  buffer_.append(reinterpret_cast<const char*>(&header), sizeof header);
  buffer_.append(reinterpret_cast<const char*>(bytes), kept);
  ++buffered_records_;
  return buffer_.size() < kBufferBytes || flush();
}

bool CaptureFile::flush() {
  if (!failure_.empty()) return false;
  std::string_view left = buffer_;
  while (!left.empty()) {
    const ssize_t n = ::write(fd_.get(), left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      failure_ = "write " + part_.native() + ": " + errno_text(errno);
      // What of this buffer reached the file may end inside a record: cut all of it, whole records
      // remain.
      [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), static_cast<off_t>(flushed_bytes_));
      buffered_records_ = 0;
      buffer_.clear();
      return false;
    }
    left.remove_prefix(static_cast<std::size_t>(n));
  }
  flushed_bytes_ += buffer_.size();
  flushed_records_ += buffered_records_;
  buffered_records_ = 0;
  buffer_.clear();
  return true;
}

void CaptureFile::finish() {
  (void)flush();
  if (::fsync(fd_.get()) != 0 && failure_.empty())
    failure_ = "sync " + part_.native() + ": " + errno_text(errno);
  fd_ = UniqueFd{};
  if (::rename(part_.c_str(), path_.c_str()) != 0) throw_errno("rename to", path_.native());
  sync_folder(path_.parent_path());
}

}  // namespace tl
