#include "analysis/read_ahead.hh"

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

void ReadAhead::fill(Chunk& chunk) {
  // Not value-initialised: pages are touched only when bytes arrive in them.
  if (chunk.bytes == nullptr)
    chunk.bytes = std::make_unique_for_overwrite<std::uint8_t[]>(kHeadroomBytes + kChunkBytes);
  chunk.size = source_->read({chunk.bytes.get() + kHeadroomBytes, kChunkBytes});
}

std::span<std::uint8_t> ReadAhead::next() {
  std::unique_lock lock{mutex_};
  if (thread_.joinable()) {
    changed_.wait(lock, [&] { return filled_ > taken_ || over_; });
    if (thrown_) std::rethrow_exception(thrown_);
  } else if (!over_) {
    fill(chunk(filled_));
    over_ = chunk(filled_).size == 0;
    filled_ += over_ ? 0 : 1;
  }
  if (filled_ == taken_) return {};
  Chunk& taken = chunk(taken_++);
  given_bytes_ += taken.size;
  // A pipe may keep a reader waiting for ever, and a thread that waits cannot be stopped.
  if (!thread_.joinable() && given_bytes_ >= kChunkBytes && !source_->may_wait()) start();
  return {taken.bytes.get() + kHeadroomBytes, taken.size};
}

void ReadAhead::start() {
  try {
    thread_ = std::thread{[this] { run(); }};
  } catch (const std::system_error&) {  // no thread to be had: next() goes on reading by itself
  }
}

void ReadAhead::release(bool keep_latest) {
  {
    const std::lock_guard lock{mutex_};
    released_ = taken_ - (keep_latest && taken_ != 0 ? 1 : 0);
  }
  changed_.notify_all();
}

void ReadAhead::run() {
  std::unique_lock lock{mutex_};
  while (!over_) {
    changed_.wait(lock, [&] { return stopping_ || filled_ - released_ < kChunks; });
    if (stopping_) return;
    Chunk& free = chunk(filled_);
    lock.unlock();
    std::exception_ptr thrown;
    try {
      fill(free);
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    thrown_ = thrown;
    over_ = thrown != nullptr || free.size == 0;
    filled_ += over_ ? 0 : 1;
    changed_.notify_all();
  }
}

}  // namespace tl
