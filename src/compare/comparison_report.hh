// A comparison as text, Markdown, CSV and JSON (schema trafficlab.compare/1, docs/compare.md).
#pragma once

#include <string>

#include "compare/comparison.hh"

namespace tl {

std::string comparison_text(const Comparison& c);
std::string comparison_markdown(const Comparison& c);
std::string comparison_csv(const Comparison& c);
nlohmann::ordered_json comparison_json(const Comparison& c);

// A number with its unit for people: "12.3 Mbit/s", "1.20 ms", "0.05".
std::string human_value(double value, const std::string& unit);
// "-4.2 %" of the baseline's; in the unit where the baseline's is 0.
std::string human_change(double difference, double base, const std::string& unit);

}  // namespace tl
