// The report as one HTML file that needs nothing else: no network, no server, no other file.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace tl {

// `document` as report/document.hh makes it; `plot_svg` is what readers without scripts see.
std::string html_page(const nlohmann::json& document, std::string_view plot_svg);

// A file of web/ or third_party/uplot that is built in, by its name. Throws std::logic_error for
// one that is not.
std::string_view asset(std::string_view name);

// Replaces every {{name}} of `page` once, from left to right: what is put in is not looked at
// again.
std::string fill_page(std::string_view page, const std::map<std::string_view, std::string>& values);

// &, <, > and quotes as character references: for element content and quoted attributes.
std::string escape_markup(std::string_view text);

}  // namespace tl
