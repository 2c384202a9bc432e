#include "analysis/sequence_track.hh"

#include <algorithm>

namespace tl {
namespace {

// a - b on the sequence circle.
std::int32_t distance(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b); }

// No window reaches this far (RFC 7323 allows 2^30): it is another connection, of which the SYN was
// not captured.
constexpr std::int32_t kFarthest = std::int32_t{1} << 30;

constexpr unsigned kCountMask = 7;  // of gap_count_, which has three bits

}  // namespace

bool SequenceTrack::on_syn(std::uint32_t initial_sequence) {
  if (saw_syn_ && initial_sequence + 1 == begin()) return false;
  const bool is_another = started_;
  restart(initial_sequence + 1);
  saw_syn_ = true;
  return is_another;
}

void SequenceTrack::restart(std::uint32_t sequence) {
  closed_gap_bytes_ = gap_bytes();
  earlier_span_bytes_ += connection_bytes_;
  connection_bytes_ = 0;
  gap_count_ = 0;
  end_ = sequence;
  started_ = true;
  saw_syn_ = false;
}

std::uint64_t SequenceTrack::gap_bytes() const {
  std::uint64_t bytes = closed_gap_bytes_;
  for (std::size_t i = 0; i < gap_count_; ++i) bytes += gaps_[i].end - gaps_[i].begin;
  return bytes;
}

void SequenceTrack::on_run(Run run) {
  constexpr std::uint64_t kLargestPiece = std::uint64_t{1} << 29;
  while (run.bytes != 0) {
    const auto piece = static_cast<std::uint32_t>(std::min(run.bytes, kLargestPiece));
    on_data(run.sequence, piece);
    run.sequence += piece;
    run.bytes -= piece;
  }
}

void SequenceTrack::on_unexpected_data(std::uint32_t sequence, std::uint32_t bytes) {
  if (!started_ || std::abs(std::int64_t{distance(sequence, end_)}) > kFarthest) restart(sequence);
  make_room(sequence);
  extend_down(sequence, bytes);
  if (bytes == 0) return;
  if (distance(sequence, end_) > 0) {
    connection_bytes_ += sequence - end_;
    insert_gap(gap_count_, {end_, sequence});
    end_ = sequence;
  }
  const std::uint32_t end = sequence + bytes;
  const std::uint32_t known_end = distance(end, end_) > 0 ? end_ : end;
  const std::uint32_t below = known_end - sequence;
  if (below != 0) retransmitted_bytes_ += below - fill_gaps(sequence, known_end);
  connection_bytes_ += end - known_end;
  end_ += end - known_end;
}

// Data that begins with a gap goes on filling it and makes no other; all else may make one.
void SequenceTrack::make_room(std::uint32_t sequence) {
  const auto begins_here = [&](const Gap& gap) { return gap.begin == sequence; };
  if (gap_count_ > kMostGaps && std::none_of(gaps_.begin(), gaps_.end(), begins_here))
    forget_lowest_gap();
}

void SequenceTrack::forget_lowest_gap() {
  closed_gap_bytes_ += gaps_[0].end - gaps_[0].begin;
  if (forgotten_gaps_ != kMostForgotten) forgotten_gaps_ = (forgotten_gaps_ + 1) & kMostForgotten;
  remove_gap(0);
}

// Data from before the first byte seen: possible when the capture began in the middle, and packets
// were out of order there. Takes that part off the segment.
void SequenceTrack::extend_down(std::uint32_t& sequence, std::uint32_t& bytes) {
  // How far back the number lies says which one it is; the connection may be longer than they are.
  const bool is_behind = distance(sequence, end_) < 0 && end_ - sequence > connection_bytes_;
  if (saw_syn_ || !is_behind) return;
  const std::uint32_t end = sequence + bytes;
  const std::uint32_t old_begin = begin();
  connection_bytes_ += old_begin - sequence;
  if (distance(end, old_begin) < 0) {
    insert_gap(0, {end, old_begin});
    bytes = 0;
    return;
  }
  sequence = old_begin;
  bytes = end - old_begin;
}

// Returns how many bytes of [begin, end) lay in gaps.
std::uint64_t SequenceTrack::fill_gaps(std::uint32_t begin, std::uint32_t end) {
  std::uint64_t filled = 0;
  for (std::size_t i = gap_count_; i-- > 0;) {
    const Gap gap = gaps_[i];
    const std::uint32_t from = distance(begin, gap.begin) > 0 ? begin : gap.begin;
    const std::uint32_t to = distance(end, gap.end) < 0 ? end : gap.end;
    if (distance(to, from) <= 0) continue;
    filled += to - from;
    remove_gap(i);
    if (to != gap.end) insert_gap(i, {to, gap.end});
    if (from != gap.begin) insert_gap(i, {gap.begin, from});
  }
  return filled;
}

void SequenceTrack::insert_gap(std::size_t index, Gap gap) {
  // Only where sequence numbers have come round again does make_room() not do.
  if (gap_count_ == gaps_.size()) [[unlikely]] {
    forget_lowest_gap();
    index -= index != 0 ? 1 : 0;
  }
  std::copy_backward(gaps_.begin() + static_cast<std::ptrdiff_t>(index), gaps_.begin() + gap_count_,
                     gaps_.begin() + gap_count_ + 1);
  gaps_[index] = gap;
  gap_count_ = (gap_count_ + 1) & kCountMask;
}

void SequenceTrack::remove_gap(std::size_t index) {
  std::copy(gaps_.begin() + static_cast<std::ptrdiff_t>(index) + 1, gaps_.begin() + gap_count_,
            gaps_.begin() + static_cast<std::ptrdiff_t>(index));
  gap_count_ = (gap_count_ - 1) & kCountMask;
}

}  // namespace tl
