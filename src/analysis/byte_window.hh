// The bytes of a source through a window: what is visible stays where it is until more is asked
// for, so that views into it cost nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "analysis/byte_source.hh"
#include "analysis/read_ahead.hh"

namespace tl {

class ByteWindow {
 public:
  explicit ByteWindow(std::unique_ptr<ByteSource> source)
      : ahead_{std::make_unique<ReadAhead>(std::move(source))} {}

  [[nodiscard]] const std::uint8_t* data() const { return begin_; }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }
  // Position of data() in the stream.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

  // Makes at least `count` bytes visible; false when the source is over before. Moves the bytes:
  // earlier views die.
  bool ensure(std::size_t count);
  // Leaves `count` visible bytes behind. Views stay.
  void consume(std::size_t count) {
    begin_ += count;
    offset_ += count;
  }
  // Leaves `count` bytes behind, visible or not, without keeping them; false when the source is
  // over.
  bool skip(std::uint64_t count);

  // Goes on with the byte at `offset` of the stream; earlier views die. Only after share(), and
  // while nobody reads.
  void jump(std::uint64_t offset);
  [[nodiscard]] ByteSource& source() { return ahead_->source(); }

  // Two threads share the work: one uses this window, the other calls read_one() when it has
  // nothing to do. False when the source does not allow that.
  bool share() { return ahead_->share(); }
  bool read_one() { return ahead_->read_one(); }
  // Views stay through `moves` further moves of the window, except where records are larger than a
  // chunk: `before_move(m)` is called before views die that were made m or more moves ago. (0:
  // all.)
  static constexpr std::uint64_t kMostMovesKept = ReadAhead::kMostKept - 1;
  void keep_views(std::uint64_t moves, std::function<void(std::uint64_t)> before_move) {
    moves_kept_ = moves;
    before_move_ = std::move(before_move);
  }

  [[nodiscard]] std::string_view compression() const { return ahead_->compression(); }
  [[nodiscard]] const std::string& failure() const { return ahead_->failure(); }

 private:
  void append_to_large(std::span<const std::uint8_t> chunk);
  void let_go_of_views(std::uint64_t moves) {
    if (before_move_) before_move_(moves);
  }

  std::unique_ptr<ReadAhead> ahead_;
  // The window lies in a chunk of ahead_, or, while a record is larger than fits there, in large_.
  std::uint8_t *begin_ = nullptr, *end_ = nullptr;
  std::unique_ptr<std::uint8_t[]> large_;
  std::size_t large_capacity_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t moves_kept_ = 0;
  std::function<void(std::uint64_t)> before_move_;
};

}  // namespace tl
