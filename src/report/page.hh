// The report as one HTML file that needs nothing else: no network, no server, no other file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace tl {

// `document` as report/document.hh makes it; `plot_svg` is what readers without scripts see.
std::string html_page(const nlohmann::json& document, std::string_view plot_svg);

// &, <, > and quotes as character references: for element content and quoted attributes.
std::string escape_markup(std::string_view text);

}  // namespace tl
