#include "probe/ping.hh"

#include <poll.h>
#include <sys/random.h>

#include <algorithm>

#include "base/clock.hh"
#include "base/errors.hh"
#include "probe/echo_packet.hh"

namespace tl {
namespace {

struct Moment {
  std::int64_t mono_ns = 0;         // by us
  std::int64_t kernel_real_ns = 0;  // by the kernel; 0: unknown
};

enum class State { unsent, open, refused, answered, late, unreachable };

struct Request {
  State state = State::unsent;
  Moment sent;
  std::int64_t real_ns = 0;  // by us, at sending
  Moment received;
};

// The clocks of the kernel's stamps may step (CLOCK_REALTIME). What we saw on the monotonic clock
// encloses them, so a round trip outside it is not believed.
bool is_believable(std::int64_t rtt_ns, const Request& request) {
  const std::int64_t enclosing_ns = request.received.mono_ns - request.sent.mono_ns;
  const std::int64_t slewing_ns = 1000 + enclosing_ns / 2000;  // adjtimex(2): up to 500 ppm
  return rtt_ns >= 0 && rtt_ns <= enclosing_ns + slewing_ns;
}

PingReply measured(std::uint16_t sequence, const Request& request) {
  using std::chrono::nanoseconds;
  const nanoseconds seen{request.received.mono_ns - request.sent.mono_ns};
  PingReply reply{sequence, seen, PingClock::user, seen};
  const std::int64_t received_ns = request.received.kernel_real_ns;
  if (received_ns == 0) return reply;
  if (is_believable(received_ns - request.real_ns, request)) {
    reply.rtt = reply.rtt_from_send = nanoseconds{received_ns - request.real_ns};
    reply.clock = PingClock::kernel_receive;
  }
  const std::int64_t kernel_ns = received_ns - request.sent.kernel_real_ns;
  if (request.sent.kernel_real_ns != 0 && is_believable(kernel_ns, request)) {
    reply.rtt = nanoseconds{kernel_ns};
    reply.clock = PingClock::kernel;
  }
  return reply;
}

class Round {
 public:
  Round(PingSocket socket, const PingDestination& to, const PingOptions& options)
      : socket_{std::move(socket)},
        options_{options},
        requests_(static_cast<std::size_t>(options.count)) {
    identity_.is_ipv6 = to.is_ipv6();
    identity_.identifier = socket_.identifier();
    identity_.payload_bytes = std::max(options.payload_bytes, kLeastPayload);
    (void)::getrandom(&identity_.nonce, sizeof identity_.nonce, 0);
    result_.used_raw_socket = socket_.is_raw();
    result_.address = to.text();
  }

  PingResult run() {
    const std::int64_t begin_ns = monotonic_ns();
    const std::int64_t interval_ns = std::chrono::nanoseconds{options_.interval}.count();
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      const std::int64_t due_ns = begin_ns + static_cast<std::int64_t>(i) * interval_ns;
      receive_until([due_ns] { return due_ns; });
      send(static_cast<std::uint16_t>(i));
    }
    receive_until([this] { return last_deadline_ns(); });
    // Transmit stamps may come after the answers, so round trips are computed at the end.
    for (const std::uint16_t sequence : order_of_arrival_)
      result_.replies.push_back(measured(sequence, requests_[sequence]));
    return std::move(result_);
  }

 private:
  void send(std::uint16_t sequence) {
    Request& request = requests_[sequence];
    const auto packet = echo_request(identity_, sequence);
    ++result_.attempts;
    request.real_ns = realtime_ns();
    request.sent.mono_ns = monotonic_ns();
    const int error = socket_.send(packet);
    request.state = error == 0 ? State::open : State::refused;
    if (error == 0) return;
    result_.error = "send: " + errno_text(error);
    ++result_.send_errors;
  }

  // When the last request that is still open is given up; 0 when none is.
  [[nodiscard]] std::int64_t last_deadline_ns() const {
    std::int64_t last_ns = 0;
    for (const Request& request : requests_)
      if (request.state == State::open) last_ns = request.sent.mono_ns;
    return last_ns == 0 ? 0 : last_ns + std::chrono::nanoseconds{options_.timeout}.count();
  }

  // Takes what arrives up to the moment end_ns(), which may move with what arrives.
  template <class End>
  void receive_until(End end_ns) {
    while (true) {
      while (const auto arrival = socket_.receive()) take(*arrival);
      const std::int64_t left_ns = end_ns() - monotonic_ns();
      if (left_ns <= 0) return;
      pollfd readable{socket_.fd(), POLLIN, 0};
      const timespec limit{left_ns / 1'000'000'000, left_ns % 1'000'000'000};
      (void)::ppoll(&readable, 1, &limit, nullptr);
    }
  }

  void take(const PingArrival& arrival) {
    switch (arrival.kind) {
      case PingArrival::Kind::packet:
        return take_packet(arrival);
      case PingArrival::Kind::transmit_stamp:
        if (Request* request = sent_request(match_sent_copy(identity_, arrival.bytes)))
          request->sent.kernel_real_ns = arrival.kernel_real_ns;
        return;
      case PingArrival::Kind::icmp_error: {
        Request* request = sent_request(match_quoted(identity_, arrival.bytes));
        if (request == nullptr || request->state != State::open) return;
        request->state = State::unreachable;
        ++result_.unreachable;
        result_.error = arrival.reason;
        return;
      }
    }
  }

  Request* sent_request(const EchoAnswer& answer) {
    if (answer.match != EchoMatch::ours || answer.sequence >= requests_.size()) return nullptr;
    Request& request = requests_[answer.sequence];
    const bool is_out = request.state != State::unsent && request.state != State::refused;
    return is_out ? &request : nullptr;
  }

  void take_packet(const PingArrival& arrival) {
    const EchoAnswer answer = match_reply(identity_, arrival.bytes);
    if (answer.match == EchoMatch::foreign) return;
    Request* request = sent_request(answer);
    if (request == nullptr || !arrival.is_from_destination) {
      ++result_.mismatched;
      return;
    }
    if (request->state == State::answered || request->state == State::late) {
      ++result_.duplicates;
      return;
    }
    if (arrival.mono_ns - request->sent.mono_ns >
        std::chrono::nanoseconds{options_.timeout}.count()) {
      request->state = State::late;
      ++result_.late;
      return;
    }
    request->state = State::answered;
    request->received = {arrival.mono_ns, arrival.kernel_real_ns};
    ++result_.received;
    if (!order_of_arrival_.empty() && answer.sequence < highest_) ++result_.reordered;
    highest_ = std::max(highest_, answer.sequence);
    order_of_arrival_.push_back(answer.sequence);
  }

  PingSocket socket_;
  PingOptions options_;
  EchoIdentity identity_;
  std::vector<Request> requests_;
  std::vector<std::uint16_t> order_of_arrival_;
  std::uint16_t highest_ = 0;
  PingResult result_;
};

PingResult failed(const PingOptions& options, std::string reason) {
  PingResult result;
  result.attempts = result.send_errors = options.count;
  result.error = std::move(reason);
  return result;
}

}  // namespace

const char* text_of(PingClock clock) {
  switch (clock) {
    case PingClock::kernel:
      return "kernel";
    case PingClock::kernel_receive:
      return "kernel_receive";
    case PingClock::user:
      return "user";
  }
  return "";
}

PingResult ping(const std::string& host, const PingOptions& options) {
  const auto destination = resolve(host, options.family, options.resolve_timeout);
  if (const auto* reason = std::get_if<std::string>(&destination)) return failed(options, *reason);
  const auto& to = std::get<PingDestination>(destination);
  std::string error;
  PingSocket socket{to, options.allow_datagram_socket, error};
  if (!socket.is_open()) return failed(options, error);
  return Round{std::move(socket), to, options}.run();
}

}  // namespace tl
