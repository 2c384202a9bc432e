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
  // `bytes` > 0 of payload beginning at `sequence`. Data that arrives in pieces, each where the one
  // before ended, leaves the same state as if it had arrived in one.
  void on_data(std::uint32_t sequence, std::uint32_t bytes) {
    if (!extend(sequence, bytes)) on_unexpected_data(sequence, bytes);
  }
  // The first step of on_data(): takes the data when it begins where all earlier data ended.
  bool extend(std::uint32_t sequence, std::uint32_t bytes) {
    if (sequence != end_ || !started_) [[unlikely]]
      return false;
    end_ += bytes;
    connection_bytes_ += bytes;
    return true;
  }

  // For a part of a capture, where only extend() is used: what came before is not known there.
  struct Run {
    std::uint32_t sequence = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Run run() const { return {begin(), connection_bytes_}; }
  void start_run(std::uint32_t sequence) {
    *this = {};
    restart(sequence);
  }
  // As on_data() for each piece of the run.
  void on_run(Run run);

  // Bytes from the lowest to the highest sequence number seen, over all connections.
  [[nodiscard]] std::uint64_t span_bytes() const { return earlier_span_bytes_ + connection_bytes_; }
  // Of those, bytes that no packet carried: lost by the capture, or before it.
  [[nodiscard]] std::uint64_t gap_bytes() const;
  // Payload bytes that had been seen before (retransmissions, probes, duplicates of the capture).
  [[nodiscard]] std::uint64_t retransmitted_bytes() const { return retransmitted_bytes_; }
  // Gaps that were forgotten, the lowest first, because more were open than are remembered. Data
  // that fills them later counts as retransmitted. Counted up to kMostForgotten.
  [[nodiscard]] std::uint32_t forgotten_gaps() const {
    return forgotten_gaps_ + (gap_count_ > kMostGaps ? 1U : 0U);
  }

 private:
  static constexpr std::size_t kMostGaps = 4;  // remembered
  struct Gap {
    std::uint32_t begin, end;  // [begin, end)
  };
  void on_unexpected_data(std::uint32_t sequence, std::uint32_t bytes);
  void restart(std::uint32_t sequence);
  void extend_down(std::uint32_t& sequence, std::uint32_t& bytes);
  std::uint64_t fill_gaps(std::uint32_t begin, std::uint32_t end);
  void make_room(std::uint32_t sequence);
  void forget_lowest_gap();
  void insert_gap(std::size_t index, Gap gap);
  void remove_gap(std::size_t index);

  // The lowest sequence number of the present connection.
  [[nodiscard]] std::uint32_t begin() const {
    return end_ - static_cast<std::uint32_t>(connection_bytes_);
  }

  // What most packets touch comes first: with the tally and the times before it one cache line.
  std::uint64_t connection_bytes_ = 0;  // of the span, those of the present connection
  std::uint32_t end_ = 0;  // behind the highest sequence number of the present connection
  bool started_ : 1 = false;
  bool saw_syn_ : 1 = false;  // of the present connection: begin() is its initial number + 1
  std::uint32_t gap_count_ : 3 = 0;
  static constexpr unsigned kForgottenBits = 27;
  static constexpr std::uint32_t kMostForgotten = (std::uint32_t{1} << kForgottenBits) - 1;
  std::uint32_t forgotten_gaps_ : kForgottenBits = 0;
  std::uint64_t earlier_span_bytes_ = 0;
  std::uint64_t retransmitted_bytes_ = 0;
  std::uint64_t closed_gap_bytes_ = 0;  // of earlier connections, and forgotten
  // Lowest first. One more than is remembered: data in the middle of a gap makes two of it, and the
  // pieces that follow may yet fill the upper one.
  std::array<Gap, kMostGaps + 1> gaps_{};
};

}  // namespace tl
