// The bytes of a source through one buffer: what is visible stays where it is until more is asked
// for, so that views into it cost nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "analysis/byte_source.hh"

namespace tl {

class ByteWindow {
 public:
  explicit ByteWindow(std::unique_ptr<ByteSource> source);

  [[nodiscard]] const std::uint8_t* data() const { return buffer_.get() + begin_; }
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  // Position of data() in the stream.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

  // Makes at least `count` bytes visible, growing the buffer when it must; false when the source is
  // over before. Moves the bytes: earlier views die.
  bool ensure(std::size_t count);
  // Leaves `count` visible bytes behind. Views stay.
  void consume(std::size_t count) {
    begin_ += count;
    offset_ += count;
  }
  // Leaves `count` bytes behind, visible or not, without keeping them; false when the source is
  // over.
  bool skip(std::uint64_t count);

  [[nodiscard]] std::string_view compression() const { return source_->compression(); }
  [[nodiscard]] const std::string& failure() const { return source_->failure(); }

 private:
  struct Free {
    void operator()(std::uint8_t* bytes) const;
  };
  void grow(std::size_t capacity);

  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<std::uint8_t[], Free> buffer_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace tl
