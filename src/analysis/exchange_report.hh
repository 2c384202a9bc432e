// What two captures of one exchange differ in, as text, CSV and JSON. Schemas: docs/pcap-rtt.md.
#pragma once

#include "analysis/capture_report.hh"
#include "analysis/exchange_diff.hh"

namespace tl {

// As JSON: the members "paths" and what follows, of an object, without its braces.
void write_exchange(const Write& write, ReportForm form, const ExchangeDiff& diff);

// Whether the captures show the very same packets: nothing lost, doubled, overtaken, or cut
// otherwise, in either.
bool is_identical(const ExchangeDiff& diff);

}  // namespace tl
