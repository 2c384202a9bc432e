// Which bytes of one direction of a TCP connection a capture has shown: from sequence numbers
// alone, so that short snapshots and unsplit GSO packets make no difference. Arithmetic modulo
// 2^32.
//
// At any time: payload bytes = span - gap + retransmitted.
#pragma once

#include <array>
#include <cstdint>

namespace tl {

class SequenceTrack {
 public:
  // A SYN with this initial sequence number. True when it begins another connection on the same
  // ports; the span and gap of the earlier one are kept.
  bool on_syn(std::uint32_t initial_sequence);
  // `bytes` > 0 of payload beginning at `sequence`.
  void on_data(std::uint32_t sequence, std::uint32_t bytes) {
    if (started_ && sequence == end_) [[likely]] {
      end_ += bytes;
      span_bytes_ += bytes;
      return;
    }
    on_unexpected_data(sequence, bytes);
  }

  // Bytes from the lowest to the highest sequence number seen, over all connections.
  [[nodiscard]] std::uint64_t span_bytes() const { return span_bytes_; }
  // Of those, bytes that no packet carried: lost by the capture, or before it.
  [[nodiscard]] std::uint64_t gap_bytes() const;
  // Payload bytes that had been seen before (retransmissions, probes, duplicates of the capture).
  [[nodiscard]] std::uint64_t retransmitted_bytes() const { return retransmitted_bytes_; }
  // Gaps that were forgotten because more were open than are remembered. Data that fills them later
  // counts as retransmitted.
  [[nodiscard]] std::uint32_t forgotten_gaps() const { return forgotten_gaps_; }

 private:
  struct Gap {
    std::uint32_t begin, end;  // [begin, end)
  };
  void on_unexpected_data(std::uint32_t sequence, std::uint32_t bytes);
  void restart(std::uint32_t sequence);
  void extend_down(std::uint32_t& sequence, std::uint32_t& bytes);
  std::uint64_t fill_gaps(std::uint32_t begin, std::uint32_t end);
  void add_gap(Gap gap);
  void remove_gap(std::size_t index);

  static constexpr std::size_t kMostGaps = 4;
  std::uint64_t span_bytes_ = 0;
  std::uint32_t begin_ = 0, end_ = 0;  // of the present connection
  std::uint64_t retransmitted_bytes_ = 0;
  std::uint64_t closed_gap_bytes_ = 0;  // of earlier connections, and forgotten
  std::array<Gap, kMostGaps> gaps_{};
  std::uint32_t initial_sequence_ = 0;
  std::uint32_t forgotten_gaps_ = 0;
  std::uint8_t gap_count_ = 0;
  bool started_ = false;
  bool saw_syn_ = false;
};

}  // namespace tl
