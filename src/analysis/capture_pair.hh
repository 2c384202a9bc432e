// Two captures read together.
#pragma once

#include <array>
#include <string>

#include "analysis/capture_reader.hh"
#include "analysis/exchange_diff.hh"

namespace tl {

using PathPair = std::array<std::string, 2>;

// Feeds both captures to `diff` in the order of time. Returns why each ended.
std::array<Stop, 2> compare_exchange(const PathPair& paths, ExchangeDiff& diff);

// What both captures kept of every packet, as PacketPrinter wants it: from the snapshot lengths
// their headers state.
std::uint32_t common_bytes(const PathPair& paths);

// Whether the captures show the same packets: of those at the beginning of the time they share, at
// least one in ten of the capture with fewer is in the other.
bool is_one_exchange(const PathPair& paths);

}  // namespace tl
