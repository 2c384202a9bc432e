// Round-trip times of one direction of a TCP connection, seen from one tap: from the moment a
// segment passes until the acknowledgment that it caused comes back. That is the half of the path
// between the tap and the other end (and that end's delay); the opposite direction has the other
// half. docs/pcap-rtt.md defines every rule and every number.
//
// No sample is taken where an ACK could answer something else: retransmitted segments (Karn), ACKs
// that waited for a retransmission of earlier bytes, probes, ACKs of data the capture lacks. What
// gave no sample is counted by its reason, so that at any time, exactly:
//   segments = answered + unanswered() + abandoned + forgotten
//   answered = syn + ack + sack samples + karn_ambiguous + intervening + cum_acked + acked_unseen
//              + probes + stale + time_reversed
#pragma once

#include <array>
#include <cstdint>

#include "analysis/distribution.hh"
#include "analysis/tcp_segment.hh"
#include "analysis/unacked.hh"

namespace tl {

enum class RttMethod : std::uint8_t {
  syn,   // SYN or SYN/ACK, and the ACK of it
  ack,   // data or FIN, and the first cumulative ACK that touches it
  sack,  // data, and the first selective acknowledgment of it
  full,  // a segment that several ACKs acknowledged in parts, and the ACK of its last byte
  ts     // TSval, and its first echo in an ACK of new data (RFC 7323): a cross-check
};
inline constexpr std::size_t kRttMethods = 5;
// "syn", "ack", "sack", "full", "ts".
const char* rtt_method_name(RttMethod method);

struct RttCounters {
  std::uint64_t segments = 0;  // pieces of sequence space on their first sight; SYN and FIN count 1
  std::uint64_t answered = 0;  // of those: touched by an acknowledgment

  std::array<std::uint64_t, kRttMethods> samples{};  // by RttMethod

  std::uint64_t karn_ambiguous = 0;  // sent more than once, or first seen below the highest sent
  std::uint64_t intervening = 0;     // something before it was sent again after it
  std::uint64_t cum_acked = 0;       // acknowledged together with a newer one, which was judged
  std::uint64_t acked_unseen = 0;    // by an ACK whose newest byte the capture never showed
  std::uint64_t probes = 0;          // window probes
  std::uint64_t stale = 0;           // answered later than any sender waits before it sends again
  std::uint64_t time_reversed = 0;   // by an ACK whose timestamp is earlier

  std::uint64_t abandoned = 0;  // unanswered when another connection took over the ports
  std::uint64_t forgotten = 0;  // unanswered when memory ran out

  // Events, in packets; in no sum above.
  std::uint64_t retransmissions = 0;  // carried bytes at or below the highest number sent
  std::uint64_t keep_alives = 0;
  std::uint64_t window_probes = 0;
  std::uint64_t unseen_acks = 0;       // ACKs of bytes the capture never showed
  std::uint64_t partial_acks = 0;      // ACKs that ended inside a segment
  std::uint64_t restarts = 0;          // another connection took over the ports
  std::uint64_t delayed_suspects = 0;  // samples of 40 ms and more for an ACK of one lone segment

  RttCounters& operator+=(const RttCounters& other);
  // The right side of the second identity.
  [[nodiscard]] std::uint64_t answers() const;
};

struct RttSample {
  std::int64_t time_ns = 0;  // of the acknowledgment
  std::int64_t rtt_ns = 0;
  RttMethod method = RttMethod::ack;
};

// Takes samples as they come. Called between two packets, never concurrently.
class RttSink {
 public:
  virtual ~RttSink() = default;
  virtual void on_sample(const RttSample& sample) = 0;
};

struct RttStatistics {
  Distribution rtt;   // syn, ack and sack samples
  Distribution full;  // per RttMethod::full
  Distribution ts;    // per RttMethod::ts
  RttCounters counters;
  RttStatistics& operator+=(const RttStatistics& other);
};

class RttHalf {
 public:
  // An answer later than this is stale: the retransmission timer of every system fires before
  // (RFC 6298: at 60 s at the latest is allowed, and Linux's 120 s maximum follows six others).
  static constexpr std::int64_t kDefaultMostAgeNs = 60'000'000'000;

  // A segment that this half's sender sent.
  void on_sent(const TcpSegment& segment);
  // A segment of the other end. `sink` may be null.
  void on_received(const TcpSegment& segment, std::int64_t most_age_ns, RttSink* sink);
  // Whether this SYN would begin another connection than the present one.
  [[nodiscard]] bool begins_anew(const TcpSegment& syn) const {
    return !saw_syn_ || syn.sequence != initial_;
  }
  // The other end began a connection anew: what is outstanding belonged to the one before.
  void on_peer_restart();
  // Gives up what is outstanding, for memory. Returns the capacity freed, in records.
  std::uint32_t forget();

  [[nodiscard]] const RttStatistics& statistics() const { return statistics_; }
  // Pieces that no acknowledgment has touched yet.
  [[nodiscard]] std::uint64_t unanswered() const;
  [[nodiscard]] std::uint32_t capacity() const { return unacked_.capacity(); }
  // How long the sender's timestamp clock takes for one tick; 0 while unknown.
  [[nodiscard]] std::int64_t timestamp_tick_ns() const;

 private:
  struct Answer;  // one acknowledgment while it is being looked at

  void restart(std::uint32_t sequence);
  void on_syn(const TcpSegment& segment);
  void on_empty(const TcpSegment& segment);
  void send(std::uint32_t begin, std::uint32_t end, const TcpSegment& segment, std::uint8_t flags);
  void send_below(std::uint32_t begin, std::uint32_t end, const TcpSegment& segment);
  void keep(std::uint32_t index, Unacked piece, const TcpSegment& segment);
  void learn_tick(const TcpSegment& segment);

  const Unacked* select(Answer& answer, std::uint32_t floor);
  void on_cumulative(Answer& answer, bool is_caused_by_newer);
  void touch(Unacked& piece, Answer& answer);
  static void match_echo(const Unacked& piece, Answer& answer);
  void judge(const Unacked& piece, std::int64_t resent_ns, RttMethod method, Answer& answer);
  void judge_full(const Unacked& piece, std::int64_t resent_ns, Answer& answer);
  void sample_echo(Answer& answer);
  void take(RttMethod method, std::int64_t rtt_ns, Answer& answer);

  UnackedList unacked_;
  std::uint32_t acked_ = 0;  // everything below is acknowledged (SND.UNA)
  std::uint32_t next_ = 0;   // the highest number sent, plus one (SND.NXT)
  bool started_ = false;
  bool saw_syn_ = false;
  bool window_is_closed_ = false;  // of the other end, when it last spoke
  bool echo_is_used_ = false;
  bool knows_tick_ = false;
  std::uint32_t initial_ = 0;  // sequence number of the SYN
  std::uint32_t used_echo_ = 0;
  std::int64_t resent_acked_ns_ = INT64_MIN;  // when bytes below acked_ were last sent again
  std::int64_t resent_ns_ = INT64_MIN;        // … or any bytes
  std::uint32_t first_timestamp_ = 0, last_timestamp_ = 0;
  std::int64_t first_timestamp_ns_ = 0, last_timestamp_ns_ = 0;
  RttStatistics statistics_;
};

}  // namespace tl
