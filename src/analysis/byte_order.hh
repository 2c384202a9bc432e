// Loads of integers at any address, in the order a format names.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace tl {

static_assert(std::endian::native == std::endian::little, "the loads below assume it");

template <class T>
inline T load_le(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <class T>
inline void store_le(std::uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

inline std::uint16_t byte_swapped(std::uint16_t value) { return __builtin_bswap16(value); }
inline std::uint32_t byte_swapped(std::uint32_t value) { return __builtin_bswap32(value); }
inline std::uint64_t byte_swapped(std::uint64_t value) { return __builtin_bswap64(value); }

inline std::uint16_t load_be16(const std::uint8_t* at) {
  return byte_swapped(load_le<std::uint16_t>(at));
}
inline std::uint32_t load_be32(const std::uint8_t* at) {
  return byte_swapped(load_le<std::uint32_t>(at));
}

// In the order of a file: little-endian, or big-endian when `swapped`.
template <class T>
inline T load(const std::uint8_t* at, bool swapped) {
  const T value = load_le<T>(at);
  return swapped ? byte_swapped(value) : value;
}

}  // namespace tl
