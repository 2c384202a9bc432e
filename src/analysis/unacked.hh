// What one end of a TCP connection has sent and the other has not yet wholly acknowledged: pieces
// of the sequence space in order, without overlap. A ring in memory that grows by doubling, up to a
// limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace tl {

// a - b on the sequence circle (RFC 793: arithmetic modulo 2^32).
constexpr std::int32_t sequence_distance(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b);
}

// Bits of Unacked::flags.
enum UnackedFlag : std::uint8_t {
  kLateSegment = 1,      // first seen below the highest number sent: maybe not the first copy
  kProbeSegment = 2,     // sent into a closed window
  kSynSegment = 4,       // the SYN
  kAnsweredSegment = 8,  // an acknowledgment, perhaps partial or selective, has touched it
  kPartlyAcked = 16,     // … a cumulative one that ended inside
  kHasTimestamp = 32,
};

struct Unacked {
  std::uint32_t begin = 0, end = 0;  // [begin, end)
  std::int64_t first_ns = 0, last_ns = 0;
  std::uint32_t first_timestamp = 0, last_timestamp = 0;  // TSval of those transmissions
  std::uint16_t transmissions = 1;                        // stops at the largest
  std::uint8_t flags = 0;

  [[nodiscard]] bool has(UnackedFlag flag) const { return (flags & flag) != 0; }
  void set(UnackedFlag flag) { flags = static_cast<std::uint8_t>(flags | flag); }
  // An ACK cannot tell which copy it answers.
  [[nodiscard]] bool is_ambiguous() const { return transmissions > 1 || has(kLateSegment); }
};
static_assert(sizeof(Unacked) == 40);

class UnackedList {
 public:
  static constexpr std::uint32_t kMost = 8192;

  UnackedList() = default;
  UnackedList(const UnackedList&) = delete;
  UnackedList& operator=(const UnackedList&) = delete;

  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // Records there is memory for.
  [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
  // 0 is the piece with the lowest sequence numbers.
  [[nodiscard]] Unacked& operator[](std::uint32_t index) {
    return slots_[(head_ + index) & (capacity_ - 1)];
  }
  [[nodiscard]] const Unacked& operator[](std::uint32_t index) const {
    return slots_[(head_ + index) & (capacity_ - 1)];
  }
  // The first piece that ends above `sequence`; size() if none does.
  [[nodiscard]] std::uint32_t first_ending_above(std::uint32_t sequence) const;

  [[nodiscard]] bool is_full() const { return size_ == kMost; }
  // REQUIRES: not is_full(), index <= size().
  void insert(std::uint32_t index, const Unacked& piece);
  void pop_front(std::uint32_t count) {
    head_ = (head_ + count) & (capacity_ - 1);
    size_ -= count;
  }
  void clear() { size_ = 0; }
  // Gives the memory back and returns the capacity it had.
  std::uint32_t release();

 private:
  void grow();

  std::unique_ptr<Unacked[]> slots_;
  std::uint32_t capacity_ = 0;  // a power of two, or 0
  std::uint32_t head_ = 0, size_ = 0;
};

}  // namespace tl
