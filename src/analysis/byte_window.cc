#include "analysis/byte_window.hh"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tl {

bool ByteWindow::ensure(std::size_t count) {
  while (size() < count) {
    const std::size_t rest = size();
    const bool is_large = rest > ReadAhead::kHeadroomBytes;
    let_go_of_views(is_large ? 0 : moves_kept_);
    const std::span<std::uint8_t> chunk = ahead_->next();
    if (chunk.empty()) return false;
    if (is_large) {
      append_to_large(chunk);
      continue;
    }
    if (rest != 0) std::memcpy(chunk.data() - rest, begin_, rest);
    begin_ = chunk.data() - rest;
    end_ = chunk.data() + chunk.size();
    ahead_->release(moves_kept_ + 1);
  }
  return true;
}

void ByteWindow::append_to_large(std::span<const std::uint8_t> chunk) {
  const std::size_t rest = size();
  if (large_capacity_ < rest + chunk.size() || begin_ < large_.get() ||
      begin_ >= large_.get() + large_capacity_) {
    const std::size_t capacity = std::max(rest + chunk.size(), 2 * rest);
    auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
    std::memcpy(larger.get(), begin_, rest);
    large_ = std::move(larger);
    large_capacity_ = capacity;
  } else if (begin_ != large_.get()) {
    std::memmove(large_.get(), begin_, rest);
  }
  begin_ = large_.get();
  std::memcpy(begin_ + rest, chunk.data(), chunk.size());
  end_ = begin_ + rest + chunk.size();
  ahead_->release(0);
}

void ByteWindow::jump(std::uint64_t offset) {
  let_go_of_views(0);
  ahead_->jump(offset);
  end_ = begin_;
  offset_ = offset;
}

bool ByteWindow::skip(std::uint64_t count) {
  while (count > size()) {
    count -= size();
    consume(size());
    if (!ensure(1)) return false;
  }
  consume(static_cast<std::size_t>(count));
  return true;
}

}  // namespace tl
