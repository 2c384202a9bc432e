#include <numeric>

#include "analysis/rtt_half.hh"

namespace tl {
namespace {

// Everything is a sum, so that all of it can be folded by one list.
constexpr std::array kSums{
    &RttCounters::segments,     &RttCounters::answered,      &RttCounters::karn_ambiguous,
    &RttCounters::intervening,  &RttCounters::cum_acked,     &RttCounters::acked_unseen,
    &RttCounters::probes,       &RttCounters::stale,         &RttCounters::time_reversed,
    &RttCounters::abandoned,    &RttCounters::forgotten,     &RttCounters::retransmissions,
    &RttCounters::keep_alives,  &RttCounters::window_probes, &RttCounters::unseen_acks,
    &RttCounters::partial_acks, &RttCounters::restarts,      &RttCounters::delayed_suspects,
};
static_assert(sizeof(RttCounters) == (kSums.size() + kRttMethods) * sizeof(std::uint64_t),
              "a counter is missing in kSums");

}  // namespace

const char* rtt_method_name(RttMethod method) {
  switch (method) {
    case RttMethod::syn:
      return "syn";
    case RttMethod::ack:
      return "ack";
    case RttMethod::sack:
      return "sack";
    case RttMethod::full:
      return "full";
    case RttMethod::ts:
      return "ts";
  }
  return "unknown";
}

RttCounters& RttCounters::operator+=(const RttCounters& other) {
  for (const auto counter : kSums) this->*counter += other.*counter;
  for (std::size_t i = 0; i < kRttMethods; ++i) samples[i] += other.samples[i];
  return *this;
}

std::uint64_t RttCounters::answers() const {
  const auto of = [&](RttMethod method) { return samples[static_cast<std::size_t>(method)]; };
  return of(RttMethod::syn) + of(RttMethod::ack) + of(RttMethod::sack) + karn_ambiguous +
         intervening + cum_acked + acked_unseen + probes + stale + time_reversed;
}

RttStatistics& RttStatistics::operator+=(const RttStatistics& other) {
  rtt.add(other.rtt);
  full.add(other.full);
  ts.add(other.ts);
  counters += other.counters;
  return *this;
}

}  // namespace tl
