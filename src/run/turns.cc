#include "run/turns.hh"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tl {
namespace {

// Steele, Lea, Flood 2014. Not <random>: its shuffle differs between libraries.
std::uint64_t split_mix(std::uint64_t& state) {
  std::uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

std::vector<Turn> repeated(std::size_t warmups, std::size_t rounds) {
  std::vector<Turn> turns;
  for (std::size_t i = 0; i < warmups; ++i) turns.push_back({0, i, true});
  for (std::size_t i = 0; i < rounds; ++i) turns.push_back({0, i, false});
  return turns;
}

std::vector<Turn> alternating(std::size_t warmups, std::size_t pairs) {
  std::vector<Turn> turns;
  for (std::size_t i = 0; i < warmups; ++i)
    for (const std::size_t arm : {0U, 1U}) turns.push_back({arm, i, true});
  for (std::size_t i = 0; i < pairs; ++i)
    for (const std::size_t half : {0U, 1U}) turns.push_back({(i + half) % 2, i, false});
  return turns;
}

std::vector<Turn> randomised(std::size_t arms, std::size_t warmups, std::size_t rounds,
                             std::uint64_t seed) {
  std::vector<Turn> turns;
  std::vector<std::size_t> order(arms);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t round = 0; round < rounds; ++round) {
    // The remainder's bias is below arms / 2^64.
    for (std::size_t left = arms; left > 1; --left)
      std::swap(order[left - 1], order[split_mix(seed) % left]);
    for (const std::size_t arm : order) turns.push_back({arm, round, false});
  }
  const Turn first{turns.empty() ? 0 : turns.front().arm, 0, true};
  turns.insert(turns.begin(), warmups, first);
  for (std::size_t i = 0; i < warmups; ++i) turns[i].round = i;
  return turns;
}

}  // namespace tl
