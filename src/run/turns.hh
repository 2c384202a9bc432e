// In which order the runs of a series go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tl {

struct Turn {
  std::size_t arm = 0;     // which of the series' experiments
  std::size_t round = 0;   // which repetition or pair it belongs to, from 0
  bool is_warmup = false;  // run, kept and marked, but no comparison counts it
};

// `warmups` turns that do not count, then `rounds` that do.
std::vector<Turn> repeated(std::size_t warmups, std::size_t rounds);
// `warmups` turns of each arm, then pairs in the order AB BA AB BA …: what drifts linearly on the
// host touches both arms alike.
std::vector<Turn> alternating(std::size_t warmups, std::size_t pairs);
// Every arm once a round, each round in an order of its own: what drifts touches all arms alike.
// The same seed gives the same order everywhere (Fisher-Yates over SplitMix64). The warm-ups are
// turns of the arm that is first.
std::vector<Turn> randomised(std::size_t arms, std::size_t warmups, std::size_t rounds,
                             std::uint64_t seed);

}  // namespace tl
