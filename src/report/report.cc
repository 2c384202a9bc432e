#include "report/report.hh"

#include "base/errors.hh"
#include "report/page.hh"

namespace tl {

std::map<std::string, std::string> make_reports(const ReportInput& input) {
  try {
    const ReportDocument document = make_document(input);
    return {{"report.html", html_page(document.json, "")}};
  } catch (const nlohmann::json::exception& e) {
    throw MeasurementError{"report on " + input.bundle.native() + ": " + e.what()};
  }
}

}  // namespace tl
