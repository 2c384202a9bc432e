#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tl {

// The report's numbers as Markdown, for a job summary or an issue: verdict, headline numbers,
// rates, reconciliation, captures, how to repeat. `document` as report/document.hh makes it.
std::string markdown_summary(const nlohmann::json& document);

}  // namespace tl
