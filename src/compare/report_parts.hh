// What the reports of comparisons and gates share.
#pragma once

#include <string>

#include "compare/comparability.hh"

namespace tl {

// A number with its unit for people: "12.3 Mbit/s", "1.20 ms", "0.05".
std::string human_value(double value, const std::string& unit);
// "-4.2 %" of the baseline's; in the unit where that is 0 or next to 0.
std::string human_change(double difference, double base, const std::string& unit);

// The text in one cell of a Markdown table.
std::string markdown_cell(const std::string& text);

nlohmann::ordered_json bundles_json(const RunSet& runs);
nlohmann::ordered_json differences_json(const std::vector<Difference>& differences);

}  // namespace tl
