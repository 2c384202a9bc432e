#include "report/report.hh"

#include "base/errors.hh"
#include "report/markdown.hh"
#include "report/page.hh"
#include "report/plot_svg.hh"

namespace tl {

std::map<std::string, std::string> make_reports(const ReportInput& input) {
  try {
    const ReportDocument document = make_document(input);
    const std::string plot = plot_svg(document.timeline, document.json);
    return {{"report.html", html_page(document.json, plot)},
            {"report.md", markdown_summary(document.json)},
            {"report.svg", plot}};
  } catch (const nlohmann::json::exception& e) {
    throw MeasurementError{"report on " + input.bundle.native() + ": " + e.what()};
  }
}

}  // namespace tl
