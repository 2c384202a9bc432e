// The reports of a bundle: report.html, report.md and report.svg.
#pragma once

#include <map>
#include <string>

#include "report/document.hh"

namespace tl {

// Texts by file name.
std::map<std::string, std::string> make_reports(const ReportInput& input);

}  // namespace tl
