// Timestamps of capture files as nanoseconds since the epoch, in whole numbers throughout.
#pragma once

#include <cstdint>
#include <optional>

#include "analysis/packet.hh"

namespace tl {

// `ticks` of `unit` plus an offset in seconds (pcapng if_tsoffset). Finer units are rounded towards
// the past. Empty when the moment lies outside 1678…2262, what 64 bits of nanoseconds hold.
std::optional<std::int64_t> time_from_ticks(std::uint64_t ticks, TimeUnit unit,
                                            std::int64_t offset_s);

}  // namespace tl
