// How counts travel in a page: exact, and small enough to open at once. A row of counts becomes the
// differences between neighbours, each as zigzag (0, −1, 1, −2, … → 0, 1, 2, 3, …) in LEB128 (7
// bits a byte, least significant first, the high bit set on all but the last), and all of it as
// Base64 (RFC 4648). web/counts.js reads it back.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tl {

// Counts up to 2^53 − 1, which is what a page's script can hold exactly; larger throw
// MeasurementError.
std::string pack_counts(std::span<const std::uint64_t> counts);

std::string base64(std::string_view bytes);

}  // namespace tl
