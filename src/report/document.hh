// Everything a report shows, as one document: the page, the Markdown summary and the plot are made
// from it and from nothing else. Schema trafficlab.report/1, docs/report.md.
//
// Pure: reads the bundle, never the machine or the clock, so that a report can be made again, bit
// for bit. What is missing is a member "missing" with the reason.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "analysis/timeline.hh"

namespace tl {

struct ReportInput {
  std::filesystem::path bundle;
  std::string name;         // the bundle's final name, its title
  nlohmann::json manifest;  // of that bundle; while the run still writes it, what it will say
};

struct ReportDocument {
  nlohmann::json json;  // times in ns since "origin_ns"
  Timeline timeline;    // of counters/container.csv; what "timeline" was made from
};

ReportDocument make_document(const ReportInput& input);

}  // namespace tl
