// JSON as text, of documents that may hold what others said: arguments, paths, messages of other
// programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tl {

// document.dump(indent), but bytes that are not UTF-8 become U+FFFD instead of an exception.
std::string dump_json(const nlohmann::json& document, int indent = -1);

}  // namespace tl
