#include "analysis/unacked.hh"

namespace tl {

std::uint32_t UnackedList::first_ending_above(std::uint32_t sequence) const {
  std::uint32_t low = 0, high = size_;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (sequence_distance((*this)[middle].end, sequence) > 0)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

void UnackedList::grow() {
  constexpr std::uint32_t kFirst = 4;
  const std::uint32_t bigger = capacity_ == 0 ? kFirst : capacity_ * 2;
  auto slots = std::make_unique<Unacked[]>(bigger);
  for (std::uint32_t i = 0; i < size_; ++i) slots[i] = (*this)[i];
  slots_ = std::move(slots);
  capacity_ = bigger;
  head_ = 0;
}

void UnackedList::insert(std::uint32_t index, const Unacked& piece) {
  if (size_ == capacity_) grow();
  size_ += 1;
  if (index < size_ / 2) {  // moves the shorter part
    head_ = (head_ + capacity_ - 1) & (capacity_ - 1);
    for (std::uint32_t i = 0; i < index; ++i) (*this)[i] = (*this)[i + 1];
  } else {
    for (std::uint32_t i = size_ - 1; i > index; --i) (*this)[i] = (*this)[i - 1];
  }
  (*this)[index] = piece;
}

std::uint32_t UnackedList::release() {
  slots_.reset();
  head_ = size_ = 0;
  return std::exchange(capacity_, 0);
}

}  // namespace tl
