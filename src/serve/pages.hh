// The pages of the web server: one HTML text each, with its style and script inside.
#pragma once

#include <string>

namespace tl {

// The Content-Security-Policy these pages need: their own scripts, and this server's interface.
inline constexpr const char* kPagePolicy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'";

// The list of bundles.
std::string index_page();
// Runs against runs; which ones is in the query.
std::string compare_page();
// A run in progress; `name` is that of its folder.
std::string live_page(const std::string& name);

}  // namespace tl
