#include "analysis/read_ahead.hh"

#include <algorithm>
#include <system_error>

namespace tl {

ReadAhead::~ReadAhead() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

ByteSource::Piece ReadAhead::read_chunk(std::span<std::uint8_t> into, std::uint64_t number) {
  if (has_positions_) return source_->read_at(into, base_ + number * kChunkBytes);
  const std::size_t bytes = source_->read(into);
  return {bytes, bytes == 0 ? source_->failure() : std::string{}};
}

// Claims a free chunk and fills it, without the lock while reading.
void ReadAhead::read_next_chunk(Lock& lock) {
  const std::uint64_t number = claimed_++;
  Chunk& filled = chunk(number);
  filled.is_ready = false;
  lock.unlock();
  ByteSource::Piece piece;
  std::exception_ptr thrown;
  try {
    // Not value-initialised: pages are touched only when bytes arrive in them.
    if (filled.bytes == nullptr)
      filled.bytes = std::make_unique_for_overwrite<std::uint8_t[]>(kHeadroomBytes + kChunkBytes);
    piece = read_chunk({filled.bytes.get() + kHeadroomBytes, kChunkBytes}, number);
  } catch (...) {
    thrown = std::current_exception();
  }
  lock.lock();
  filled.size = piece.bytes;
  filled.is_ready = true;
  // A short piece of a file is its last, even if the file has grown when the next piece is read.
  const bool is_short = piece.bytes < kChunkBytes && (has_positions_ || piece.bytes == 0);
  const std::uint64_t count = is_short ? number + (piece.bytes != 0 ? 1 : 0) : kUnknown;
  if (count < chunk_count_) {
    chunk_count_ = count;
    failure_ = std::move(piece.failure);
    thrown_ = thrown;
  }
  changed_.notify_all();
}

std::span<std::uint8_t> ReadAhead::next() {
  Lock lock{mutex_};
  for (;;) {
    if (taken_ >= chunk_count_) {
      if (thrown_) std::rethrow_exception(thrown_);
      return {};
    }
    if (taken_ < claimed_ && chunk(taken_).is_ready) break;
    if ((has_positions_ || !thread_.joinable()) && has_free_chunk() && chunk_count_ == kUnknown)
      read_next_chunk(lock);
    else
      changed_.wait(lock);
  }
  const Chunk& taken = chunk(taken_++);
  given_bytes_ += taken.size;
  // A pipe may keep a reader waiting for ever, and a thread that waits cannot be stopped.
  if (!thread_.joinable() && given_bytes_ >= kBytesBeforeThread && !is_shared_ &&
      !source_->may_wait())
    start();
  return {taken.bytes.get() + kHeadroomBytes, taken.size};
}

void ReadAhead::start() {
  try {
    thread_ = std::thread{[this] { run(); }};
  } catch (const std::system_error&) {  // no thread to be had: next() goes on reading by itself
  }
}

void ReadAhead::release(std::uint64_t keep) {
  {
    const std::lock_guard lock{mutex_};
    released_ = std::max(released_, taken_ - std::min(keep, taken_));
  }
  changed_.notify_all();
}

bool ReadAhead::share() {
  const std::lock_guard lock{mutex_};
  is_shared_ = has_positions_ && !thread_.joinable();
  return is_shared_;
}

bool ReadAhead::read_one() {
  Lock lock{mutex_};
  if (!has_free_chunk() || chunk_count_ != kUnknown) return false;
  read_next_chunk(lock);
  return true;
}

void ReadAhead::jump(std::uint64_t offset) {
  const std::lock_guard lock{mutex_};
  base_ = offset;
  claimed_ = taken_ = released_ = 0;
  chunk_count_ = kUnknown;
  failure_.clear();
  thrown_ = nullptr;
}

void ReadAhead::run() {
  Lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || chunk_count_ != kUnknown || has_free_chunk(); });
    if (stopping_ || chunk_count_ != kUnknown) return;
    read_next_chunk(lock);
  }
}

}  // namespace tl
