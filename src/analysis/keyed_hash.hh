// A keyed hash of 64-bit words for tables of addresses. The key is random per process, so that
// nobody can make packets that all fall into one bucket. Not for anything that is stored or shown.
#pragma once

#include <sys/random.h>

#include <cstdint>

namespace tl {

// Multiply 64 × 64 to 128 bits and fold: every bit of a and b reaches every bit of the result.
constexpr std::uint64_t hash_mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a ^ 0x9E3779B97F4A7C15} * (b ^ 0xE7037ED1A0B428DB);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// A fixed key where the kernel has no entropy yet (getrandom(2) with GRND_NONBLOCK).
inline std::uint64_t random_hash_key() {
  std::uint64_t key = 0xA0761D6478BD642F;
  (void)::getrandom(&key, sizeof key, GRND_NONBLOCK);
  return key;
}

}  // namespace tl
