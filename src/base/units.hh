// Durations, rates and sizes as people write them. All parsing throws UsageError naming `what`, the
// text and what is allowed; nothing is rounded silently.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tl {

// "100us", "250ms", "10s", "5m", "1h"; a bare number is seconds. Decimals are accepted ("1.5s")
// down to 1 ns. Zero, negative and anything over 365 days is refused.
std::chrono::nanoseconds parse_duration(std::string_view text, std::string_view what = "duration");
// "800k", "10M", "1G": bits per second, decimal multiples; "0" means unlimited, as in iperf3.
std::uint64_t parse_bitrate(std::string_view text, std::string_view what = "bitrate");
// "4096", "64k", "32M", "1G": bytes, binary multiples.
std::uint64_t parse_bytes(std::string_view text, std::string_view what = "size");
// A whole decimal number in [low, high].
std::int64_t parse_integer(std::string_view text, std::int64_t low, std::int64_t high,
                           std::string_view what);

// The shortest exact text: 10ms, 1s, 1500us. parse_duration(format_duration(d)) == d.
std::string format_duration(std::chrono::nanoseconds duration);
// For people: "12.3 MB", "1.50 Gbit/s". Decimal multiples.
std::string human_bytes(std::uint64_t bytes);
std::string human_bitrate(double bits_per_second);

}  // namespace tl
