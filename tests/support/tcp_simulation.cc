#include "support/tcp_simulation.hh"

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "support/tcp_talk.hh"

namespace tl::test {
namespace {

using Block = std::pair<std::uint32_t, std::uint32_t>;

class Simulation {
 public:
  explicit Simulation(const NetworkShape& shape) : shape_{shape}, random_{shape.seed} {
    has_.resize(shape.segments);
    sacked_.resize(shape.segments);
    handshake();
    at(20'000, [this] { send_new(); });
  }

  Exchange run() {
    while (!events_.empty()) {
      const auto event = events_.begin();
      now_ = event->first;
      const auto action = std::move(event->second);
      events_.erase(event);
      action();
    }
    return {client_.packets(), server_.packets(), lost_to_server_, lost_to_client_};
  }

 private:
  static constexpr std::uint32_t kClientFirst = 0xFFFF0000, kServerFirst = 5001;
  static constexpr std::int64_t kTimeoutUs = 200'000;

  void at(std::int64_t time_us, std::function<void()> action) {
    events_.emplace(time_us, std::move(action));
  }
  std::int64_t jitter() {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(shape_.jitter_us + 1));
  }
  std::uint16_t next_identity() { return shape_.counts_identity ? ++identity_ : std::uint16_t{1}; }
  bool is_lost(std::uint32_t per_mille) { return random_() % 1000 < per_mille; }
  std::uint32_t sequence(std::uint32_t segment) const {
    return kClientFirst + segment * shape_.segment_bytes;
  }

  void handshake() {
    constexpr std::uint8_t kSynFlag = 2, kSynAckFlags = 0x12;
    const Said syn{.sequence = kClientFirst - 1, .flags = kSynFlag};
    const Said syn_ack{
        .sequence = kServerFirst - 1, .acknowledgment = kClientFirst, .flags = kSynAckFlags};
    const Said ack{.sequence = kClientFirst, .acknowledgment = kServerFirst};
    const std::int64_t there = shape_.to_server_us, back = shape_.to_client_us;
    client_.client(0, syn).server(there + back, syn_ack).client(there + back, ack);
    server_.client(there, syn).server(there, syn_ack).client(2 * there + back, ack);
  }

  void send_new() {
    while (next_ < shape_.segments && next_ - acked_ < shape_.most_in_flight) send(next_++);
    arm_timeout();
  }

  void send(std::uint32_t segment) {
    const Said said{.sequence = sequence(segment),
                    .acknowledgment = kServerFirst,
                    .payload_bytes = shape_.segment_bytes,
                    .identity = next_identity()};
    client_.client(now_, said);
    if (is_lost(shape_.loss_per_mille)) {
      ++lost_to_server_;
      return;
    }
    // First in, first out.
    at_server_us_ = std::max(at_server_us_ + 1, now_ + shape_.to_server_us + jitter());
    at(at_server_us_, [this, said, segment] {
      server_.client(now_, said);
      arrive(segment);
    });
  }

  void arm_timeout() {
    if (acked_ == shape_.segments) return;
    const std::uint32_t generation = ++timeout_generation_;
    at(now_ + kTimeoutUs, [this, generation] {
      if (generation != timeout_generation_ || acked_ == next_) return;
      send(acked_);
      arm_timeout();
    });
  }

  void arrive(std::uint32_t segment) {
    const bool in_order = segment == received_ && holes_end_ <= segment;
    has_[segment] = true;
    newest_ = segment;
    holes_end_ = std::max(holes_end_, segment + 1);
    while (received_ < shape_.segments && has_[received_]) ++received_;
    if (in_order && shape_.delayed_ack_us != 0 && !ack_is_due_) {
      ack_is_due_ = true;
      at(now_ + shape_.delayed_ack_us, [this, at_segment = received_] {
        if (ack_is_due_ && received_ == at_segment) acknowledge();
      });
      return;
    }
    acknowledge();
  }

  std::vector<Block> blocks() const {
    std::vector<Block> list;
    if (received_ == holes_end_) return list;
    const auto block_of = [&](std::uint32_t segment) {
      std::uint32_t begin = segment, end = segment + 1;
      while (begin > 0 && has_[begin - 1]) --begin;
      while (end < shape_.segments && has_[end]) ++end;
      return Block{sequence(begin), sequence(end)};
    };
    if (newest_ >= received_) list.push_back(block_of(newest_));
    for (std::uint32_t i = received_; i < holes_end_ && list.size() < 3; ++i)
      if (has_[i] && std::find(list.begin(), list.end(), block_of(i)) == list.end())
        list.push_back(block_of(i));
    return list;
  }

  void acknowledge() {
    ack_is_due_ = false;
    const Said said{.sequence = kServerFirst,
                    .acknowledgment = sequence(received_),
                    .sack = blocks(),
                    .identity = next_identity()};
    server_.server(now_, said);
    if (is_lost(shape_.ack_loss_per_mille)) {
      ++lost_to_client_;
      return;
    }
    at_client_us_ = std::max(at_client_us_ + 1, now_ + shape_.to_client_us + jitter());
    at(at_client_us_, [this, said, received = received_] {
      client_.server(now_, said);
      take_ack(received, said.sack);
    });
  }

  void take_ack(std::uint32_t received, const std::vector<Block>& sack) {
    for (const auto& [begin, end] : sack)
      for (std::uint32_t s = begin; s != end; s += shape_.segment_bytes)
        sacked_[(s - kClientFirst) / shape_.segment_bytes] = true;
    if (received > acked_) {
      acked_ = received;
      duplicates_ = 0;
      if (acked_ < recover_ && !sacked_[acked_]) send(acked_);  // the next hole, as NewReno does
      return send_new();
    }
    if (!sack.empty() && ++duplicates_ == 3) {
      recover_ = next_;
      send(acked_);
    }
  }

  NetworkShape shape_;
  std::mt19937 random_;
  std::multimap<std::int64_t, std::function<void()>> events_;  // equal times: as they were added
  std::int64_t now_ = 0, at_server_us_ = 0, at_client_us_ = 0;
  TcpTalk client_, server_;
  std::uint64_t lost_to_server_ = 0, lost_to_client_ = 0;
  std::uint16_t identity_ = 1;
  // The sender's, in segments.
  std::uint32_t next_ = 0, acked_ = 0, duplicates_ = 0, recover_ = 0, timeout_generation_ = 0;
  std::vector<bool> sacked_;
  // The receiver's.
  std::vector<bool> has_;
  std::uint32_t received_ = 0, holes_end_ = 0, newest_ = 0;
  bool ack_is_due_ = false;
};

}  // namespace

Exchange simulate(const NetworkShape& shape) { return Simulation{shape}.run(); }

}  // namespace tl::test
