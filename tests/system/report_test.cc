#include <doctest/doctest.h>

#include <filesystem>

#include "base/fd.hh"
#include "support/lab_run.hh"

namespace tl::report_test {
using namespace tl::test;

namespace {

namespace fs = std::filesystem;

// What `trafficlab report` makes of `bundle` now.
std::string report_now(const fs::path& bundle, const char* format) {
  const CommandResult result =
      run_trafficlab({"report", bundle.native(), "--format", format, "-o", "-"});
  CHECK(result.status.ok());
  return result.out;
}

}  // namespace

TEST_CASE("a run leaves its reports, sealed, and they can be made again bit for bit") {
  const TemporaryFolder results;
  const LabRun run = run_lab(results.path(), {"--engine", "netns", "--duration", "1"});
  REQUIRE(run.status.ok());
  for (const char* format : {"html", "md", "svg"}) {
    const std::string name = std::string{"report."} + format;
    CAPTURE(name);
    REQUIRE(fs::is_regular_file(run.bundle / name));
    CHECK(run.manifest.at("files").contains(name));
    CHECK(report_now(run.bundle, format) == read_file(run.bundle / name));
  }
  CHECK(run_trafficlab({"verify", run.bundle.native()}).status.ok());
  const std::string page = read_file(run.bundle / "report.html");
  CHECK(page.find("<title>" + run.bundle.filename().native()) != std::string::npos);
  CHECK(read_file(run.bundle / "report.md").find("**pass**") != std::string::npos);
}

TEST_CASE("a run that failed leaves a report that says why") {
  const TemporaryFolder results;
  const LabRun run = run_lab(results.path(), {"--engine", "netns", "--duration", "1", "--",
                                              "--congestion", "no-such-one"});
  CHECK_FALSE(run.status.ok());
  REQUIRE_FALSE(run.bundle.empty());
  const std::string reason = run.manifest.at("outcome").at("reason").get<std::string>();
  CHECK(run.manifest.at("files").contains("report.html"));
  CHECK(read_file(run.bundle / "report.md").find("**pass**") == std::string::npos);
  CHECK(read_file(run.bundle / "report.html").find(reason.substr(0, 12)) != std::string::npos);
}

TEST_CASE("report refuses what is no bundle") {
  const TemporaryFolder folder;
  CHECK(run_trafficlab({"report", folder.path().native()}).status.code == 2);
  CHECK(run_trafficlab({"report", folder.path().native(), "--format", "pdf"}).status.code == 2);
}

}  // namespace tl::report_test
