// The encoders behind exposition.hh, and how both spell numbers.
#pragma once

#include <string>
#include <vector>

#include "live/exposition.hh"

namespace tl::live {

std::string encode_text(const std::vector<Family>& families, Format format,
                        const EncodeOptions& options);
std::string encode_protobuf(const std::vector<Family>& families);

// Appends the shortest decimal that reads back to the same value; "+Inf", "-Inf", "NaN".
void append_number(std::string& out, double value);
void append_number(std::string& out, std::uint64_t value);
// The form OpenMetrics demands of `le` and `quantile`: as above, with ".0" when it would look like
// an integer. Used in every text format, so that series do not change with the negotiation.
void append_canonical(std::string& out, double value);
// `bytes` with backslash, newline and, where `quotes`, the double quote escaped.
void append_escaped(std::string& out, std::string_view bytes, bool quotes);
// Nanoseconds as decimal seconds, exact.
void append_seconds(std::string& out, std::int64_t time_ns);

}  // namespace tl::live
