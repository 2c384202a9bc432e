#include "serve/pages.hh"

#include "report/page.hh"

namespace tl {
namespace {

std::string page(const std::string& title, std::initializer_list<std::string_view> scripts) {
  std::string script;
  for (const std::string_view name : scripts) script += std::string{asset(name)} + "\n";
  return fill_page(asset("serve.html"), {{"title", escape_markup(title)},
                                         {"style", std::string{asset("report.css")} +
                                                       std::string{asset("uPlot.min.css")} +
                                                       std::string{asset("serve.css")}},
                                         {"uplot", std::string{asset("uPlot.iife.min.js")}},
                                         {"script", script}});
}

}  // namespace

std::string index_page() {
  return page("trafficlab: results", {"text.js", "theme.js", "index.js"});
}

std::string compare_page() {
  return page("trafficlab: comparison", {"text.js", "theme.js", "units.js", "compare.js"});
}

std::string live_page(const std::string& name) {
  return page(name + ": live", {"text.js", "theme.js", "units.js", "live.js"});
}

}  // namespace tl
