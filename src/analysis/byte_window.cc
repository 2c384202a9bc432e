#include "analysis/byte_window.hh"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace tl {
namespace {

// Large enough that system calls do not show, small enough for a second-level cache.
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

}  // namespace

// malloc, not a vector: the pages of a large buffer are touched only when bytes arrive in them.
void ByteWindow::Free::operator()(std::uint8_t* bytes) const { std::free(bytes); }

ByteWindow::ByteWindow(std::unique_ptr<ByteSource> source) : source_{std::move(source)} {
  grow(kBufferBytes);
}

void ByteWindow::grow(std::size_t capacity) {
  std::unique_ptr<std::uint8_t[], Free> larger{static_cast<std::uint8_t*>(std::malloc(capacity))};
  if (larger == nullptr) throw std::bad_alloc{};
  if (size() != 0) std::memcpy(larger.get(), data(), size());
  end_ -= begin_;
  begin_ = 0;
  buffer_ = std::move(larger);
  capacity_ = capacity;
}

bool ByteWindow::ensure(std::size_t count) {
  if (size() >= count) return true;
  if (count > capacity_) {
    grow(std::max(count, capacity_ * 2));
  } else if (begin_ != 0) {
    std::memmove(buffer_.get(), data(), size());
    end_ -= begin_;
    begin_ = 0;
  }
  while (size() < count) {
    const std::size_t got = source_->read({buffer_.get() + end_, capacity_ - end_});
    if (got == 0) return false;
    end_ += got;
  }
  return true;
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
