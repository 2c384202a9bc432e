// What the histogram of round-trip times does not show: how much was seen, and what gave no sample.
#include <array>

#include "live/collectors.hh"

namespace tl::live {
namespace {

struct Reason {
  const char* name;
  std::uint64_t RttCounters::*count;
};
// The terms of `answered` that are no sample, and what ended without an answer (rtt_half.hh).
constexpr std::array kReasons{Reason{"karn_ambiguous", &RttCounters::karn_ambiguous},
                              Reason{"intervening", &RttCounters::intervening},
                              Reason{"cum_acked", &RttCounters::cum_acked},
                              Reason{"acked_unseen", &RttCounters::acked_unseen},
                              Reason{"probes", &RttCounters::probes},
                              Reason{"stale", &RttCounters::stale},
                              Reason{"time_reversed", &RttCounters::time_reversed},
                              Reason{"abandoned", &RttCounters::abandoned},
                              Reason{"forgotten", &RttCounters::forgotten}};

Family counter(const char* name, const char* help, std::uint64_t value) {
  return {name, help, Type::counter, "", {number_point({}, value)}};
}

}  // namespace

Registry::Collector rtt_collector(const RttTable& table,
                                  std::function<RingStatistics()> statistics) {
  return [&table, statistics = std::move(statistics)] {
    std::vector<Family> families;
    const auto totals = table.totals();
    RttCounters sum = totals[0].counters;
    sum += totals[1].counters;
    families.push_back(counter("trafficlab_rtt_segments",
                               "Segments that could have given a round-trip time.", sum.segments));
    Family unused{"trafficlab_rtt_unused_segments",
                  "Segments that gave no round-trip time, by reason.",
                  Type::counter,
                  "",
                  {}};
    for (const Reason& reason : kReasons)
      unused.points.push_back(number_point({{"reason", reason.name}}, sum.*reason.count));
    families.push_back(std::move(unused));
    if (!statistics) return families;
    const RingStatistics seen = statistics();
    families.push_back(
        counter("trafficlab_rtt_packets", "TCP packets that passed.", seen.received));
    families.push_back(counter("trafficlab_rtt_dropped_packets",
                               "Of those: not looked at, the ring was full.", seen.dropped));
    return families;
  };
}

}  // namespace tl::live
