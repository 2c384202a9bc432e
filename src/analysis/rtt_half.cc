#include "analysis/rtt_half.hh"

#include <algorithm>

namespace tl {
namespace {

// No window reaches this far (RFC 7323: less than 2^30).
constexpr std::int32_t kFarthest = std::int32_t{1} << 30;
constexpr std::int64_t kDelayedAckNs = 40'000'000;  // Linux's shortest delayed-ACK timer

bool is_above(std::uint32_t a, std::uint32_t b) { return sequence_distance(a, b) > 0; }
std::uint32_t lower(std::uint32_t a, std::uint32_t b) { return is_above(a, b) ? b : a; }

}  // namespace

struct RttHalf::Answer {
  const TcpSegment& segment;
  std::int64_t most_age_ns;
  RttSink* sink;
  std::uint32_t touched = 0;  // pieces that this acknowledgment is the first to touch
  // Of those below the acknowledgment number, the transmission that carried the echoed TSval.
  bool has_echo = false;
  std::int64_t echoed_ns = 0;
};

void RttHalf::restart(std::uint32_t sequence) {
  if (started_) statistics_.counters.restarts += 1;
  statistics_.counters.abandoned += unanswered();
  unacked_.clear();
  acked_ = next_ = sequence;
  started_ = true;
  saw_syn_ = window_is_closed_ = echo_is_used_ = knows_tick_ = false;
  resent_acked_ns_ = resent_ns_ = INT64_MIN;
}

void RttHalf::on_peer_restart() {
  // A SYN of our own that waits for its answer is of the new connection: both ends opened at once.
  if (!started_ || (saw_syn_ && acked_ == initial_)) return;
  statistics_.counters.restarts += 1;
  statistics_.counters.abandoned += unanswered();
  unacked_.clear();
  started_ = saw_syn_ = false;
}

std::uint32_t RttHalf::forget() {
  statistics_.counters.forgotten += unanswered();
  return unacked_.release();
}

std::uint64_t RttHalf::unanswered() const {
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < unacked_.size(); ++i)
    count += unacked_[i].has(kAnsweredSegment) ? 0 : 1;
  return count;
}

void RttHalf::on_sent(const TcpSegment& segment) {
  if ((segment.flags & kRst) != 0) return;  // its payload, if any, is no data
  if (segment.options.timestamps) learn_tick(segment);
  std::uint32_t begin = segment.sequence;
  if ((segment.flags & kSyn) != 0) [[unlikely]] {
    on_syn(segment);
    begin += 1;
  }
  const std::uint32_t fin = (segment.flags & kFin) != 0 ? 1 : 0;
  const std::uint32_t end = begin + segment.payload_bytes + fin;
  if (begin == end) return on_empty(segment);
  if (segment.payload_bytes > kFarthest) return;  // a damaged length
  const bool is_far = std::abs(std::int64_t{sequence_distance(begin, next_)}) > kFarthest ||
                      sequence_distance(end, acked_) > kFarthest;
  // Far: another connection, whose SYN was not captured.
  if (!started_ || is_far) [[unlikely]]
    restart(begin);
  const bool is_one_byte = segment.payload_bytes == 1 && fin == 0;
  if (is_one_byte && end == next_ && acked_ == next_) {  // RFC 1122 4.2.3.6: a byte long acked
    statistics_.counters.keep_alives += 1;
    return;
  }
  const bool is_probe = is_one_byte && begin == next_ && window_is_closed_;
  if (is_probe) statistics_.counters.window_probes += 1;
  send(begin, end, segment, is_probe ? kProbeSegment : 0);
}

void RttHalf::on_syn(const TcpSegment& segment) {
  const std::uint32_t initial = segment.sequence;
  if (!saw_syn_ || initial != initial_) {
    restart(initial);
    initial_ = initial;
    saw_syn_ = true;
  }
  send(initial, initial + 1, segment, kSynSegment);
}

// Segments without data: what a keep-alive or a window probe without a byte looks like.
void RttHalf::on_empty(const TcpSegment& segment) {
  if (!started_ || (segment.flags & kSyn) != 0) return;
  if (segment.sequence == acked_ - 1 && window_is_closed_)
    statistics_.counters.window_probes += 1;
  else if (segment.sequence == next_ - 1)
    statistics_.counters.keep_alives += 1;
}

void RttHalf::send(std::uint32_t begin, std::uint32_t end, const TcpSegment& segment,
                   std::uint8_t flags) {
  if (is_above(next_, begin)) [[unlikely]] {
    send_below(begin, lower(end, next_), segment);
    begin = next_;
    if (!is_above(end, begin)) return;
  }
  Unacked piece;
  piece.begin = begin;
  piece.end = end;
  piece.flags = flags;
  keep(unacked_.size(), piece, segment);
  next_ = end;
}

// [begin, end) lies below the highest number sent: sent again, or seen late.
void RttHalf::send_below(std::uint32_t begin, std::uint32_t end, const TcpSegment& segment) {
  statistics_.counters.retransmissions += 1;
  resent_ns_ = std::max(resent_ns_, segment.time_ns);
  if (is_above(acked_, begin)) {
    resent_acked_ns_ = std::max(resent_acked_ns_, segment.time_ns);
    begin = acked_;
  }
  std::uint32_t index = unacked_.first_ending_above(begin);
  while (is_above(end, begin)) {
    const bool is_last = index == unacked_.size();
    if (is_last || is_above(unacked_[index].begin, begin)) {
      Unacked piece;
      piece.begin = begin;
      piece.end = begin = is_last ? end : lower(end, unacked_[index].begin);
      piece.flags = kLateSegment;
      const std::uint32_t before = unacked_.size();
      keep(index, piece, segment);
      index += unacked_.size() > before ? 1 : 0;
      continue;
    }
    Unacked& piece = unacked_[index++];
    if (piece.transmissions != UINT16_MAX) piece.transmissions += 1;
    piece.last_ns = segment.time_ns;
    if (segment.options.timestamps) piece.last_timestamp = segment.options.timestamps->value;
    begin = piece.end;
  }
}

// The oldest makes room for the newest. In a full list the index moves with it.
void RttHalf::keep(std::uint32_t index, Unacked piece, const TcpSegment& segment) {
  statistics_.counters.segments += 1;
  piece.first_ns = piece.last_ns = segment.time_ns;
  if (segment.options.timestamps) {
    piece.first_timestamp = piece.last_timestamp = segment.options.timestamps->value;
    piece.set(kHasTimestamp);
  }
  if (unacked_.is_full()) {
    const bool is_older = index == 0;  // than all that is kept
    const bool was_answered = !is_older && unacked_[0].has(kAnsweredSegment);
    statistics_.counters.forgotten += was_answered ? 0 : 1;
    if (is_older) return;
    unacked_.pop_front(1);
    index -= 1;
  }
  unacked_.insert(index, piece);
}

void RttHalf::learn_tick(const TcpSegment& segment) {
  const std::uint32_t value = segment.options.timestamps->value;
  if (!knows_tick_) {
    first_timestamp_ = last_timestamp_ = value;
    first_timestamp_ns_ = last_timestamp_ns_ = segment.time_ns;
    knows_tick_ = true;
  } else if (is_above(value, last_timestamp_)) {
    last_timestamp_ = value;
    last_timestamp_ns_ = segment.time_ns;
  }
}

std::int64_t RttHalf::timestamp_tick_ns() const {
  constexpr std::uint32_t kFewestTicks = 10;  // fewer say little
  const std::uint32_t ticks = last_timestamp_ - first_timestamp_;
  std::int64_t time = 0;
  if (!knows_tick_ || ticks < kFewestTicks ||
      __builtin_sub_overflow(last_timestamp_ns_, first_timestamp_ns_, &time))
    return 0;
  return std::max<std::int64_t>(time / ticks, 0);
}

void RttHalf::on_received(const TcpSegment& segment, std::int64_t most_age_ns, RttSink* sink) {
  if ((segment.flags & kAck) == 0) return;
  const bool is_reset = (segment.flags & kRst) != 0;
  if (!started_) {
    if (!is_reset) restart(segment.acknowledgment);
    return;
  }
  if (!is_reset && (segment.flags & kSyn) == 0) window_is_closed_ = segment.window == 0;
  const std::int32_t advance = sequence_distance(segment.acknowledgment, acked_);
  if (std::abs(std::int64_t{advance}) > kFarthest) return;  // of no connection we know
  Answer answer{segment, most_age_ns, sink};
  const Unacked* selected = nullptr;
  if (segment.options.sack_count != 0 && !unacked_.empty())
    selected = select(answer, advance > 0 ? segment.acknowledgment : acked_);
  if (advance > 0) on_cumulative(answer, selected != nullptr);
  // The report may have travelled before in an ACK that was lost: with anything sent again since,
  // it is not clear what caused this one.
  if (selected != nullptr) judge(*selected, resent_ns_, RttMethod::sack, answer);
}

// With a selective acknowledgment of something new in the same segment, that arrival caused it, and
// what the cumulative one covers had waited (its own ACK was delayed, or lost).
void RttHalf::on_cumulative(Answer& answer, bool is_caused_by_newer) {
  const std::uint32_t ack = answer.segment.acknowledgment;
  RttCounters& counters = statistics_.counters;
  constexpr std::uint32_t kNone = UINT32_MAX;
  std::uint32_t whole = 0;       // pieces acknowledged to their ends
  std::uint32_t newest = kNone;  // of the untouched: the one that is judged
  for (; whole < unacked_.size() && !is_above(unacked_[whole].end, ack); ++whole)
    if (!unacked_[whole].has(kAnsweredSegment)) newest = whole;
  const bool is_partial = whole < unacked_.size() && is_above(ack, unacked_[whole].begin);
  const bool is_seen = is_partial || (whole > 0 && unacked_[whole - 1].end == ack);
  if (is_partial && !unacked_[whole].has(kAnsweredSegment)) newest = whole;
  if (is_caused_by_newer) newest = kNone;
  counters.partial_acks += is_partial ? 1 : 0;
  counters.unseen_acks += is_seen ? 0 : 1;

  std::int64_t resent_ns = resent_acked_ns_;
  for (std::uint32_t i = 0; i < whole + (is_partial ? 1 : 0); ++i) {
    Unacked& piece = unacked_[i];
    const bool is_new = !piece.has(kAnsweredSegment);
    if (is_new) {
      touch(piece, answer);
      match_echo(piece, answer);
    }
    if (i == whole)
      piece.set(kPartlyAcked);
    else if (piece.has(kPartlyAcked))
      judge_full(piece, resent_ns, answer);
    if (is_new && !is_seen)
      counters.acked_unseen += 1;
    else if (is_new && i != newest)
      counters.cum_acked += 1;
    else if (is_new)
      judge(piece, resent_ns, piece.has(kSynSegment) ? RttMethod::syn : RttMethod::ack, answer);
    // Behind the judgment: only what comes before a piece can hold its ACK up.
    if (i < whole && piece.is_ambiguous()) resent_ns = std::max(resent_ns, piece.last_ns);
  }
  if (answer.has_echo) sample_echo(answer);
  if (whole != 0) unacked_.pop_front(whole);
  resent_acked_ns_ = resent_ns;
  acked_ = ack;
  if (is_above(ack, next_)) next_ = ack;
}

// Touches what RFC 2018 blocks report above `floor` and returns the newest of it, null if nothing
// is new. What lies below is a duplicate report (RFC 2883).
const Unacked* RttHalf::select(Answer& answer, std::uint32_t floor) {
  const TcpOptions& options = answer.segment.options;
  const Unacked* newest = nullptr;
  for (std::size_t b = 0; b < options.sack_count; ++b) {
    std::uint32_t begin = options.sack[b].begin;
    const std::uint32_t end = options.sack[b].end;
    const std::int32_t reach = sequence_distance(end, floor);
    if (reach <= 0 || reach > kFarthest || is_above(end, next_)) continue;
    if (is_above(floor, begin)) begin = floor;
    for (std::uint32_t i = unacked_.first_ending_above(begin);
         i < unacked_.size() && is_above(end, unacked_[i].begin); ++i) {
      Unacked& piece = unacked_[i];
      if (piece.has(kAnsweredSegment)) continue;
      touch(piece, answer);
      statistics_.counters.cum_acked += newest != nullptr ? 1 : 0;
      if (newest == nullptr || piece.first_ns >= newest->first_ns) newest = &piece;
    }
  }
  return newest;
}

void RttHalf::touch(Unacked& piece, Answer& answer) {
  piece.set(kAnsweredSegment);
  statistics_.counters.answered += 1;
  answer.touched += 1;
}

// TSecr is the TSval of the segment that the receiver had waited for (RFC 7323 4.3): the oldest of
// what this ACK is the first to touch.
void RttHalf::match_echo(const Unacked& piece, Answer& answer) {
  const auto& stamps = answer.segment.options.timestamps;
  if (answer.has_echo || !stamps || !piece.has(kHasTimestamp)) return;
  const bool is_first = stamps->echo == piece.first_timestamp;
  const bool is_last = stamps->echo == piece.last_timestamp;
  // Both copies within one tick of the sender's clock: the echo cannot tell them apart.
  if (is_first && is_last && piece.transmissions > 1) return;
  if (!is_first && !is_last) return;
  answer.has_echo = true;
  answer.echoed_ns = is_first ? piece.first_ns : piece.last_ns;
}

void RttHalf::judge(const Unacked& piece, std::int64_t resent_ns, RttMethod method,
                    Answer& answer) {
  RttCounters& counters = statistics_.counters;
  std::int64_t rtt_ns = 0;
  const bool overflows = __builtin_sub_overflow(answer.segment.time_ns, piece.first_ns, &rtt_ns);
  if (piece.has(kProbeSegment))
    counters.probes += 1;
  else if (piece.is_ambiguous())
    counters.karn_ambiguous += 1;
  else if (resent_ns > piece.first_ns)
    counters.intervening += 1;
  else if (answer.segment.time_ns < piece.first_ns)
    counters.time_reversed += 1;
  else if (overflows || rtt_ns > answer.most_age_ns)
    counters.stale += 1;
  else
    take(method, rtt_ns, answer);
}

// The same rules, for the last byte of a piece whose first byte has been judged before.
void RttHalf::judge_full(const Unacked& piece, std::int64_t resent_ns, Answer& answer) {
  std::int64_t rtt_ns = 0;
  if (__builtin_sub_overflow(answer.segment.time_ns, piece.first_ns, &rtt_ns)) return;
  if (piece.has(kProbeSegment) || piece.is_ambiguous() || resent_ns > piece.first_ns) return;
  if (rtt_ns >= 0 && rtt_ns <= answer.most_age_ns) take(RttMethod::full, rtt_ns, answer);
}

void RttHalf::sample_echo(Answer& answer) {
  const std::uint32_t echo = answer.segment.options.timestamps->echo;
  if (echo_is_used_ && echo == used_echo_) return;  // only the first echo says when it arrived
  echo_is_used_ = true;
  used_echo_ = echo;
  std::int64_t rtt_ns = 0;
  if (__builtin_sub_overflow(answer.segment.time_ns, answer.echoed_ns, &rtt_ns)) return;
  if (rtt_ns >= 0 && rtt_ns <= answer.most_age_ns) take(RttMethod::ts, rtt_ns, answer);
}

inline void RttHalf::take(RttMethod method, std::int64_t rtt_ns, Answer& answer) {
  RttCounters& counters = statistics_.counters;
  counters.samples[static_cast<std::size_t>(method)] += 1;
  if (method == RttMethod::full)
    statistics_.full.add(rtt_ns);
  else if (method == RttMethod::ts)
    statistics_.ts.add(rtt_ns);
  else
    statistics_.rtt.add(rtt_ns);
  if (method == RttMethod::ack && rtt_ns >= kDelayedAckNs && answer.touched == 1)
    counters.delayed_suspects += 1;
  if (answer.sink != nullptr) answer.sink->on_sample({answer.segment.time_ns, rtt_ns, method});
}

}  // namespace tl
