// Why polls failed: in the report and in the message of a metric that was never answered.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/errors.hh"
#include "pace/pace_run.hh"

namespace tl::pace_pace_report_test {
using namespace tl::pace;

namespace {

MetricReport metric(const std::string& expression, std::uint64_t polls, std::uint64_t failed_polls,
                    const std::string& last_error) {
  MetricReport report;
  report.expression = expression;
  report.summary.polls = polls;
  report.summary.failed_polls = failed_polls;
  report.last_error = last_error;
  return report;
}

PaceReport report_of(std::vector<MetricReport> metrics) {
  PaceReport report;
  report.metrics = std::move(metrics);
  return report;
}

std::string refusal(const PaceReport& report) {
  try {
    check_answers(report, "http://p");
  } catch (const MeasurementError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("the last error of a metric stands in the report, and only where polls failed") {
  const PaceReport report = report_of({metric("up", 3, 0, ""), metric("down", 3, 1, "timed out")});
  const std::string text = report_text(report);
  const std::size_t down = text.find("down\n");
  REQUIRE(down != std::string::npos);
  CHECK(text.find("\n  last error: timed out\n") > down);
  CHECK(text.substr(0, down).find("last error") == std::string::npos);
  const auto json = nlohmann::json::parse(report_json(report));
  CHECK(json["metrics"][0]["last_error"].is_null());
  CHECK(json["metrics"][1]["last_error"] == "timed out");
}

TEST_CASE("metrics that were never answered are named with their reasons") {
  CHECK(refusal(report_of({metric("up", 3, 0, ""), metric("down", 3, 2, "timed out")})) == "");
  CHECK(refusal(report_of({metric("up", 3, 0, ""), metric("bad((", 3, 3, "HTTP 400")})) ==
        "poll http://p: 1 of 2 metrics were never answered (bad((: HTTP 400)");
  CHECK(refusal(report_of({metric("up", 3, 3, "refused"), metric("late", 0, 0, "")})) ==
        "poll http://p: no poll was answered (up: refused; late: not polled)");
}
}  // namespace tl::pace_pace_report_test
