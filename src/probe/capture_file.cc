#include "probe/capture_file.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/errors.hh"
#include "base/units.hh"

namespace tl {
namespace {

constexpr std::size_t kFlushBytes = 1 << 20;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint32_t kAddressBytes = 12;  // where a VLAN tag sits in an Ethernet frame
constexpr std::uint32_t kTagBytes = RingPacket::kTagBytes;
constexpr std::uint32_t kTagEnd = kAddressBytes + kTagBytes;

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

char* append(char* at, const void* bytes, std::size_t count) {
  std::memcpy(at, bytes, count);
  return at + count;
}

// How many whole records the first `bytes` of `buffer` hold, and how long they are together.
std::pair<std::uint64_t, std::size_t> whole_records(const char* buffer, std::size_t bytes) {
  std::uint64_t records = 0;
  std::size_t end = 0;
  while (end + sizeof(RecordHeader) <= bytes) {
    RecordHeader header;
    std::memcpy(&header, buffer + end, sizeof header);
    if (end + sizeof header + header.kept > bytes) break;
    end += sizeof header + header.kept;
    ++records;
  }
  return {records, end};
}

}  // namespace

CaptureFile::CaptureFile(Options options)
    : options_{std::move(options)},
      part_{options_.path.native() + ".part"},
      fd_{open_fd(part_, O_WRONLY | O_CREAT | O_TRUNC)} {
  FileHeader header;
  header.snaplen = options_.snaplen_bytes;
  header.link_type = options_.link_type;
  write_all(fd_.get(), {reinterpret_cast<const char*>(&header), sizeof header}, part_.native());
  flushed_bytes_ = sizeof header;
  const std::size_t longest_record = sizeof(RecordHeader) + options_.snaplen_bytes;
  buffer_.reset(new char[kFlushBytes + longest_record]);
}

bool CaptureFile::add(const RingPacket& packet) {
  if (!failure_.empty()) return false;
  RecordHeader header{static_cast<std::uint32_t>(packet.time_ns / kNsPerSecond),
                      static_cast<std::uint32_t>(packet.time_ns % kNsPerSecond), packet.kept,
                      packet.frame_length()};
  char* at = buffer_.get() + buffered_bytes_;
  if (packet.has_vlan && packet.kept >= kAddressBytes && options_.snaplen_bytes >= kTagEnd) {
    header.kept = std::min(packet.kept + kTagBytes, options_.snaplen_bytes);
    const std::uint16_t tag[2] = {__builtin_bswap16(packet.vlan_tpid),
                                  __builtin_bswap16(packet.vlan_tci)};
    at = append(at, &header, sizeof header);
    at = append(at, packet.bytes, kAddressBytes);
    at = append(at, tag, sizeof tag);
    at = append(at, packet.bytes + kAddressBytes, header.kept - kTagEnd);
  } else {
    at = append(at, &header, sizeof header);
    at = append(at, packet.bytes, packet.kept);
  }
  buffered_bytes_ = static_cast<std::size_t>(at - buffer_.get());
  ++buffered_records_;
  if (buffered_bytes_ >= kFlushBytes) (void)flush();
  return true;
}

bool CaptureFile::has_room() const {
  struct statvfs info {};
  if (options_.min_free_bytes == 0 || ::fstatvfs(fd_.get(), &info) != 0) return true;
  return info.f_bavail * info.f_frsize >= options_.min_free_bytes + buffered_bytes_;
}

bool CaptureFile::flush() {
  if (!failure_.empty()) return false;
  if (buffered_bytes_ == 0) return true;
  if (!has_room())
    return fail(fmt::format("{}; {} are kept free", errno_text(ENOSPC),
                            human_bytes(options_.min_free_bytes)),
                0);
  std::size_t taken = 0;
  while (taken < buffered_bytes_) {
    const ssize_t n = ::write(fd_.get(), buffer_.get() + taken, buffered_bytes_ - taken);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errno_text(errno), taken);
    taken += static_cast<std::size_t>(n);
  }
  flushed_bytes_ += buffered_bytes_;
  flushed_records_ += buffered_records_;
  buffered_bytes_ = buffered_records_ = 0;
  return true;
}

// Keeps the whole records among the `taken_bytes` of the buffer that reached the file.
bool CaptureFile::fail(const std::string& reason, std::size_t taken_bytes) {
  failure_ = "write " + part_.native() + ": " + reason;
  const auto [records, bytes] = whole_records(buffer_.get(), taken_bytes);
  flushed_records_ += records;
  flushed_bytes_ += bytes;
  buffered_bytes_ = buffered_records_ = 0;
  if (::ftruncate(fd_.get(), static_cast<off_t>(flushed_bytes_)) != 0)
    failure_ += " (and the record at its end could not be removed)";
  return false;
}

void CaptureFile::finish(bool is_complete) {
  (void)flush();
  if (::fsync(fd_.get()) != 0 && failure_.empty())
    failure_ = "sync " + part_.native() + ": " + errno_text(errno);
  fd_ = UniqueFd{};
  if (!is_complete || !failure_.empty()) return;
  if (::rename(part_.c_str(), options_.path.c_str()) != 0) {
    failure_ = "rename " + part_.native() + ": " + errno_text(errno);
    return;
  }
  finished_ = true;
  sync_folder(options_.path.parent_path());
}

}  // namespace tl
