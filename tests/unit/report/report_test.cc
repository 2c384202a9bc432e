#include "report/report.hh"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/errors.hh"
#include "bundle/manifest.hh"
#include "report/page.hh"
#include "support/made_bundle.hh"
#include "support/temporary.hh"

namespace tl::report_report_test {
namespace {

struct Made {
  test::TemporaryFolder folder;
  ReportInput input;
  explicit Made(const test::MadeBundle& wanted = {}) {
    make_bundle(folder.path(), wanted);
    input = {folder.path(), "20261118T110640Z-made", read_manifest(folder.path())};
  }
};

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("a report's times count from the opening of the gate") {
  const Made made;
  const auto d = make_document(made.input).json;
  CHECK(d.at("origin_ns") == "1795000000050000000");
  CHECK(d.at("timeline").at("first_ns") == -50'000'000);
  CHECK(d.at("timeline").at("window").at("start_ns") == 0);
  CHECK(d.at("timeline").at("window").at("end_ns") == 900'000'000);
  CHECK(d.at("phases").at(0).at("start_ns") == 0);
  CHECK(d.at("iperf").at(1).at("zero_ns") == 50'000'000);
  CHECK(d.at("iperf").at(1).at("zero_from") == "first packet of its last connection");
}

TEST_CASE("a report's statistics are of the buckets inside the traffic window") {
  const Made made;
  const auto d = make_document(made.input).json;
  const auto& server = d.at("timeline").at("series").at(0);
  CHECK(server.at("name") == "iperf-server");
  CHECK(d.at("timeline").at("receiver") == "iperf-server");
  const auto& rx = server.at("statistics").at("rx_bytes");
  CHECK(rx.at("buckets") == 90);
  CHECK(rx.at("quantiles").size() == 201);
  CHECK(rx.at("quantiles").at(0) == 0);
  std::uint64_t sum = 0;
  for (std::uint64_t i = 10; i < 90; ++i) sum += 1'000'000 + i * 7919 % 50'000;
  CHECK(rx.at("sum") == sum);
}

TEST_CASE("what a bundle lacks is a reason in its report, and the report is still made") {
  const Made made{{.has_iperf = false, .has_analysis = false}};
  std::filesystem::remove(made.folder.path() / "counters" / "container.csv");
  const auto d = make_document(made.input).json;
  CHECK(d.at("timeline").at("missing").get<std::string>().find("container.csv") == 0);
  CHECK(d.at("reconciliation").at("missing") == "reconciliation.json is not in the bundle");
  CHECK(d.at("metrics").at("missing") == "metrics.json is not in the bundle");
  CHECK(d.at("flows").contains("missing"));
  CHECK(d.at("rtt").contains("missing"));
  CHECK(d.at("iperf").at(0).contains("missing"));
  const auto reports = make_reports(made.input);
  CHECK(reports.at("report.html").find("container.csv") != std::string::npos);
  CHECK(reports.at("report.md").find("Rates: not in this bundle") != std::string::npos);
  CHECK(reports.at("report.svg").find("No counters") != std::string::npos);
}

TEST_CASE("a bundle that says no more than how it ended has a report") {
  const test::TemporaryFolder folder;
  write_manifest(folder.path(), {{"schema", kBundleSchema},
                                 {"outcome", {{"verdict", "inconclusive"}, {"reason", "killed"}}}});
  const auto reports = make_reports({folder.path(), "x", read_manifest(folder.path())});
  CHECK(reports.at("report.md").find("**inconclusive**: killed") != std::string::npos);
}

TEST_CASE("a manifest of the wrong shape is an error that names the bundle") {
  const test::TemporaryFolder folder;
  const ReportInput input{folder.path(), "x", {{"schema", kBundleSchema}, {"phases", {1, 2}}}};
  CHECK_THROWS_AS((void)make_reports(input), MeasurementError);
}

TEST_CASE("the page needs no network and text of a bundle cannot become markup") {
  const Made made;
  const std::string page = make_reports(made.input).at("report.html");
  CHECK(page.find("default-src 'none'") != std::string::npos);
  CHECK(count_of(page, "<script src") == 0);
  CHECK(count_of(page, "<link rel=\"stylesheet\"") == 0);
  CHECK(count_of(page, "@import") == 0);
  CHECK(count_of(page, "</script>") == 3);  // the document, uPlot, the page's own
  CHECK(page.find("\\u003c/script>\\u003cb>&") != std::string::npos);
  CHECK(page.find("{{") == std::string::npos);
  CHECK(escape_markup("<a href=\"x\">&") == "&lt;a href=&quot;x&quot;&gt;&amp;");
}

TEST_CASE("the same bundle gives the same report, bit for bit") {
  const Made made;
  CHECK(make_reports(made.input) == make_reports(made.input));
}

TEST_CASE("60 seconds of 8 series make a page under 5 MB") {
  const Made made{{.services = {"iperf-server", "a", "b", "c"}, .buckets = 6100}};
  const std::size_t bytes = make_reports(made.input).at("report.html").size();
  CHECK(bytes < 5'000'000);
  CHECK(bytes > 100'000);
}

TEST_CASE("the Markdown summary has verdict, rates and reconciliation, with markup escaped") {
  Made made;
  made.input.name = "2026|x<y>";
  const std::string text = make_reports(made.input).at("report.md");
  CHECK(text.starts_with("# 2026\\|x\\<y\\>\n\n**pass**\n"));
  CHECK(text.find("| iperf-server RX | 0 bit/s |") != std::string::npos);
  CHECK(text.find("| counters = device statistics | 1 | 0 | 0 | 0 |") != std::string::npos);
}

TEST_CASE("the plot has a panel a service, each with a range and a mean for RX and TX") {
  const Made made{{.services = {"iperf-server", "a", "b"}, .buckets = 3000}};
  const std::string plot = make_reports(made.input).at("report.svg");
  CHECK(plot.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  CHECK(plot.ends_with("</svg>\n"));
  CHECK(count_of(plot, "fill-opacity") == 6);
  CHECK(count_of(plot, "class=\"name\"") == 3);
  CHECK(count_of(plot, "nan") + count_of(plot, "inf") == 0);
}

}  // namespace tl::report_report_test
