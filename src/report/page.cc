#include "report/page.hh"

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>

#include "report/assets.hh"

namespace tl {
namespace {

constexpr std::array kScripts{"counts.js", "text.js",     "theme.js",  "units.js",    "rates.js",
                              "panel.js",  "controls.js", "charts.js", "sections.js", "main.js"};

// JSON inside a script element: "</script>" and "<!--" must not be read as markup. Names in a
// bundle may not be UTF-8; such bytes become U+FFFD.
std::string script_json(const nlohmann::json& document) {
  const std::string text = document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  return safe;
}

}  // namespace

std::string_view asset(std::string_view name) {
  for (const Asset& a : assets())
    if (a.name == name) return a.text;
  throw std::logic_error{"no asset " + std::string{name}};
}

std::string fill_page(std::string_view page,
                      const std::map<std::string_view, std::string>& values) {
  std::string text;
  for (std::size_t at = 0;;) {
    const std::size_t open = page.find("{{", at);
    text += page.substr(at, open - at);
    if (open == std::string_view::npos) return text;
    const std::size_t close = page.find("}}", open);
    text += values.at(page.substr(open + 2, close - open - 2));
    at = close + 2;
  }
}

std::string escape_markup(std::string_view text) {
  std::string safe;
  for (const char c : text) switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  return safe;
}

std::string html_page(const nlohmann::json& document, std::string_view plot_svg) {
  std::string script;
  for (const char* name : kScripts) script += std::string{asset(name)} + "\n";
  const std::string name = document.at("run").at("name").get<std::string>();
  return fill_page(asset("page.html"), {{"title", escape_markup(name) + " – trafficlab"},
                                        {"style", std::string{asset("uPlot.min.css")} + "\n" +
                                                      std::string{asset("report.css")}},
                                        {"plot", std::string{plot_svg}},
                                        {"document", script_json(document)},
                                        {"uplot", std::string{asset("uPlot.iife.min.js")}},
                                        {"script", script}});
}

}  // namespace tl
