// Where the bytes of a capture come from: a file, a pipe, memory, each plain or compressed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tl {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Reads up to into.size() bytes, at least one unless the source is over. 0 means the end, or a
  // failure: failure() is then not empty.
  virtual std::size_t read(std::span<std::uint8_t> into) = 0;
  // Whether read_at() works: plain regular files.
  [[nodiscard]] virtual bool has_positions() const { return false; }
  struct Piece {
    std::size_t bytes = 0;
    std::string
        failure;  // why reading stopped before `into` was full, empty at the end of the file
  };
  // Fills `into` from `offset` bytes behind the beginning, as far as the source goes; independent
  // of read(), and safe to call from several threads at a time. Needs has_positions().
  virtual Piece read_at(std::span<std::uint8_t> into, std::uint64_t offset);
  // How far read_at() goes at the moment, 0 without positions.
  [[nodiscard]] virtual std::uint64_t size_bytes() const { return 0; }
  // "none", "gzip", "zstd" or "lz4".
  [[nodiscard]] virtual std::string_view compression() const { return "none"; }
  // Whether read() may wait for somebody else, as on pipes, instead of for a disk.
  [[nodiscard]] virtual bool may_wait() const { return false; }
  // Why reading stopped before the end ("compressed data ends early"), empty otherwise.
  [[nodiscard]] const std::string& failure() const { return failure_; }

 protected:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  std::string failure_;
};

// The file, or stdin for "-", decompressed when its first bytes are those of gzip (RFC 1952),
// zstd (RFC 8878) or an lz4 frame, whatever its name is. Throws UsageError when it cannot be
// opened.
std::unique_ptr<ByteSource> open_source(const std::string& path);

// The same for bytes in memory, which must outlive the source.
std::unique_ptr<ByteSource> memory_source(std::span<const std::uint8_t> bytes);

// Wraps `inner` in the decompressor its first bytes ask for.
std::unique_ptr<ByteSource> decompressed(std::unique_ptr<ByteSource> inner);

}  // namespace tl
