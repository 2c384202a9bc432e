// Findings about a capture as text, CSV and JSON. One list of fields feeds all three, so that they
// cannot disagree. Schemas: docs/pcap.md.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/capture_summary.hh"
#include "analysis/pass.hh"
#include "analysis/time_series.hh"

namespace tl {

enum class ReportForm : std::uint8_t { text, csv, json };

// Takes the text of a report piece by piece, so that none is ever whole in memory.
using Write = std::function<void(std::string_view)>;

// One number of the summary: its name carries its unit.
struct Field {
  std::string name;
  nlohmann::ordered_json value;  // null with `note` when there is no value
  std::string note;              // for people: the same in other units, or why there is no value
};

std::vector<Field> summary_fields(const CaptureReader& reader, const CaptureSummary& summary);

// {"reason", "offset_bytes", "packet_index", "detail"}.
nlohmann::ordered_json stop_json(const Stop& stop);
nlohmann::ordered_json interfaces_json(const CaptureReader& reader, const SummaryTotals& totals);

// The members of one JSON object, without its braces: "a": 1, "b": null, "b_reason": "…".
void write_summary(const Write& write, ReportForm form, const CaptureReader& reader,
                   const CaptureSummary& summary);

enum class FlowOrder : std::uint8_t { bytes, first };
struct FlowListOptions {
  FlowOrder order = FlowOrder::bytes;
  std::size_t top = 0;  // only so many rows, the rest summed as "others"; 0: all
};
// The flows, then what is in none of them, then the total.
void write_flows(const Write& write, ReportForm form, const FlowTable& flows,
                 const FlowListOptions& options);
void write_series(const Write& write, ReportForm form, const TimeSeries& series);

}  // namespace tl
