// A few members of a large JSON document.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

namespace tl {

// The members of the object `text` that `wanted` names, as an object; null when `text` is not one
// JSON object (all of it is checked). No tree is made of the rest, which is most of a manifest and
// what a list of many bundles would wait for. For several threads.
[[nodiscard]] nlohmann::json json_members(std::string_view text,
                                          std::span<const std::string_view> wanted);

}  // namespace tl
