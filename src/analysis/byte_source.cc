#include "analysis/byte_source.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "analysis/byte_order.hh"
#include "analysis/decompress.hh"
#include "base/errors.hh"
#include "base/fd.hh"

namespace tl {
namespace {

class FdSource : public ByteSource {
 public:
  explicit FdSource(UniqueFd fd) : fd_{std::move(fd)} {
    struct stat status {};
    may_wait_ = ::fstat(fd_.get(), &status) != 0 || !S_ISREG(status.st_mode);
    begin_ = ::lseek(fd_.get(), 0, SEEK_CUR);  // stdin may have been read from before
  }

  [[nodiscard]] bool may_wait() const override { return may_wait_; }
  [[nodiscard]] bool has_positions() const override { return !may_wait_ && begin_ >= 0; }

  [[nodiscard]] std::uint64_t size_bytes() const override {
    struct stat status {};
    if (!has_positions() || ::fstat(fd_.get(), &status) != 0 || status.st_size < begin_) return 0;
    return static_cast<std::uint64_t>(status.st_size - begin_);
  }

  Piece read_at(std::span<std::uint8_t> into, std::uint64_t offset) override {
    Piece piece;
    while (piece.bytes < into.size()) {
      const auto at = begin_ + static_cast<off_t>(offset + piece.bytes);
      const std::span<std::uint8_t> rest = into.subspan(piece.bytes);
      const ssize_t got = ::pread(fd_.get(), rest.data(), rest.size(), at);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) piece.failure = errno_text(errno);
      if (got <= 0) break;
      piece.bytes += static_cast<std::size_t>(got);
    }
    return piece;
  }

  std::size_t read(std::span<std::uint8_t> into) override {
    for (;;) {
      const ssize_t got = ::read(fd_.get(), into.data(), into.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EINTR) continue;
      failure_ = errno_text(errno);
      return 0;
    }
  }

 private:
  UniqueFd fd_;
  bool may_wait_ = true;
  off_t begin_ = -1;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::uint8_t> bytes) : rest_{bytes} {}

  std::size_t read(std::span<std::uint8_t> into) override {
    const std::size_t count = std::min(into.size(), rest_.size());
    if (count != 0) std::memcpy(into.data(), rest_.data(), count);
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  std::span<const std::uint8_t> rest_;
};

// Looks at the first bytes of a source that cannot seek, and then gives them out again.
class PeekedSource : public ByteSource {
 public:
  explicit PeekedSource(std::unique_ptr<ByteSource> inner) : inner_{std::move(inner)} {
    while (size_ < head_.size()) {
      const std::size_t got = inner_->read(std::span{head_}.subspan(size_));
      if (got == 0) break;
      size_ += got;
    }
    failure_ = inner_->failure();
  }

  // The first four bytes as a little-endian number, 0 when there are fewer.
  [[nodiscard]] std::uint32_t magic() const {
    return size_ == head_.size() ? load_le<std::uint32_t>(head_.data()) : 0;
  }

  [[nodiscard]] bool may_wait() const override { return inner_->may_wait(); }
  [[nodiscard]] bool has_positions() const override { return inner_->has_positions(); }
  [[nodiscard]] std::uint64_t size_bytes() const override { return inner_->size_bytes(); }
  Piece read_at(std::span<std::uint8_t> into, std::uint64_t offset) override {
    return inner_->read_at(into, offset);
  }

  std::size_t read(std::span<std::uint8_t> into) override {
    if (given_ == size_) {
      const std::size_t got = inner_->read(into);
      if (got == 0) failure_ = inner_->failure();
      return got;
    }
    const std::size_t count = std::min(into.size(), size_ - given_);
    std::memcpy(into.data(), head_.data() + given_, count);
    given_ += count;
    return count;
  }

 private:
  std::unique_ptr<ByteSource> inner_;
  std::array<std::uint8_t, 4> head_{};
  std::size_t size_ = 0;
  std::size_t given_ = 0;
};

UniqueFd open_input(const std::string& path) {
  if (path == "-") return UniqueFd{::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)};
  UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat status {};
  if (fd.valid() && ::fstat(fd.get(), &status) == 0 && S_ISDIR(status.st_mode))
    throw UsageError{"read " + path + ": it is a folder, not a capture file"};
  return fd;
}

}  // namespace

ByteSource::Piece ByteSource::read_at(std::span<std::uint8_t> /*into*/, std::uint64_t /*offset*/) {
  return {0, "this source has no positions"};
}

std::unique_ptr<ByteSource> open_source(const std::string& path) {
  UniqueFd fd = open_input(path);
  if (!fd.valid()) throw UsageError{"read " + path + ": " + errno_text(errno)};
  // Twice the default readahead; fails on pipes, where there is nothing to advise.
  (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return decompressed(std::make_unique<FdSource>(std::move(fd)));
}

std::unique_ptr<ByteSource> memory_source(std::span<const std::uint8_t> bytes) {
  return decompressed(std::make_unique<MemorySource>(bytes));
}

std::unique_ptr<ByteSource> decompressed(std::unique_ptr<ByteSource> inner) {
  auto peeked = std::make_unique<PeekedSource>(std::move(inner));
  const std::uint32_t magic = peeked->magic();
  constexpr std::uint32_t kZstdMagic = 0xFD2FB528, kLz4FrameMagic = 0x184D2204;
  constexpr std::uint32_t kGzipMagic = 0x8B1F, kGzipMagicMask = 0xFFFF;
  if ((magic & kGzipMagicMask) == kGzipMagic) return gzip_source(std::move(peeked));
  if (magic == kZstdMagic) return zstd_source(std::move(peeked));
  if (magic == kLz4FrameMagic) return lz4_source(std::move(peeked));
  return peeked;
}

}  // namespace tl
