// How people write limits and confidence.
#pragma once

#include <string_view>

#include "compare/decision.hh"

namespace tl {

// "5%" of the baseline, or "0.2" in the metric's unit. Negative: has to be better by so much.
// Throws UsageError.
Limit parse_limit(std::string_view text, std::string_view what = "limit");
// "95%" or "0.95": at least 50 % and below 100 %. Throws UsageError.
double parse_confidence(std::string_view text);
// A finite number, also as "900M" (decimal k, M, G). Throws UsageError.
double parse_amount(std::string_view text, std::string_view what);

}  // namespace tl
