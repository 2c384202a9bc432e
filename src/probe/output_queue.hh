// Output that never makes its producer wait: a thread writes, the producer queues, and what finds
// no room is counted instead of held up.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.hh"

namespace tl {

class OutputQueue {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{64} << 20;

  // Writes to `fd`, which must outlive this object.
  explicit OutputQueue(int fd, std::size_t most_bytes = kMostBytes);
  ~OutputQueue();
  OutputQueue(const OutputQueue&) = delete;
  OutputQueue& operator=(const OutputQueue&) = delete;

  // Takes a piece of output that consists of `rows` rows. Dropped whole when the queue is full or
  // the reader has gone.
  void push(std::string text, std::uint64_t rows);
  // Waits until everything is written, the reader has gone, or the deadline passes; what is left
  // then counts as dropped.
  void finish(const Deadline& deadline);

  // The reader has closed its end (EPIPE), or writing failed: errno, else 0.
  [[nodiscard]] int error() const;
  [[nodiscard]] std::uint64_t dropped_rows() const;

 private:
  struct Piece {
    std::string text;
    std::uint64_t rows;
  };
  void write_pieces(const std::stop_token& stop);
  bool write_piece(const std::string& text, const std::stop_token& stop);

  int fd_;
  std::size_t most_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Piece> pieces_;  // the first one is being written
  std::size_t queued_bytes_ = 0;
  std::uint64_t dropped_rows_ = 0;
  int error_ = 0;
  std::jthread writer_;
};

}  // namespace tl
