#include "probe/output_queue.hh"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace tl {
namespace {

constexpr int kPollMs = 50;  // how soon a stop is noticed while the reader takes nothing
// One write takes at most this, so that a reader that stops taking never blocks it: a pipe that is
// writable has room for PIPE_BUF bytes (pipe(7)).
constexpr std::size_t kPieceBytes = 4096;

}  // namespace

OutputQueue::OutputQueue(int fd, std::size_t most_bytes)
    : fd_{fd}, most_bytes_{most_bytes}, writer_{[this](const std::stop_token& stop) {
        write_pieces(stop);
      }} {}

OutputQueue::~OutputQueue() = default;  // asks the writer to stop and joins it

void OutputQueue::push(std::string text, std::uint64_t rows) {
  const std::lock_guard lock{mutex_};
  if (error_ != 0 || queued_bytes_ + text.size() > most_bytes_) {
    dropped_rows_ += rows;
    return;
  }
  queued_bytes_ += text.size();
  pieces_.push_back({std::move(text), rows});
  changed_.notify_all();
}

void OutputQueue::finish(const Deadline& deadline) {
  std::unique_lock lock{mutex_};
  const std::chrono::milliseconds limit{deadline.remaining_ms()};
  changed_.wait_for(lock, limit, [this] { return pieces_.empty() || error_ != 0; });
  if (pieces_.empty()) return;
  lock.unlock();
  // Only once the writer has ended is it certain what it did not write.
  writer_.request_stop();
  if (writer_.joinable()) writer_.join();
  lock.lock();
  for (const Piece& piece : pieces_) dropped_rows_ += piece.rows;
  pieces_.clear();
  queued_bytes_ = 0;
}

int OutputQueue::error() const {
  const std::lock_guard lock{mutex_};
  return error_;
}

std::uint64_t OutputQueue::dropped_rows() const {
  const std::lock_guard lock{mutex_};
  return dropped_rows_;
}

// Returns whether all of it was written.
bool OutputQueue::write_piece(const std::string& text, const std::stop_token& stop) {
  for (std::size_t done = 0; done < text.size();) {
    if (stop.stop_requested()) return false;
    pollfd ready{fd_, POLLOUT, 0};
    if (::poll(&ready, 1, kPollMs) == 0) continue;
    const ssize_t n = ::write(fd_, text.data() + done, std::min(kPieceBytes, text.size() - done));
    if (n < 0 && errno != EINTR && errno != EAGAIN) {
      const std::lock_guard lock{mutex_};
      error_ = errno;
      return false;
    }
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  return true;
}

void OutputQueue::write_pieces(const std::stop_token& stop) {
  for (;;) {
    std::unique_lock lock{mutex_};
    if (!changed_.wait(lock, stop, [this] { return !pieces_.empty(); })) return;
    const Piece& piece = pieces_.front();  // push() never moves it: a deque's ends are stable
    lock.unlock();
    const bool is_written = write_piece(piece.text, stop);
    lock.lock();
    if (is_written) {
      queued_bytes_ -= piece.text.size();
      pieces_.pop_front();
    }
    changed_.notify_all();
    if (!is_written) return;
  }
}

}  // namespace tl
