// A comparison as text, Markdown, CSV and JSON (schema trafficlab.compare/1, docs/compare.md).
#pragma once

#include <string>

#include "compare/comparison.hh"

namespace tl {

std::string comparison_text(const Comparison& c);
std::string comparison_markdown(const Comparison& c);
std::string comparison_csv(const Comparison& c);
nlohmann::ordered_json comparison_json(const Comparison& c);

}  // namespace tl
