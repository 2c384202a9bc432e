#include "live/exposition.hh"

#include <doctest/doctest.h>

#include <charconv>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

#include "base/errors.hh"
#include "base/process.hh"
#include "live/exposition_formats.hh"
#include "live/registry.hh"
#include "support/temporary.hh"

namespace tl::live_exposition_test {
using namespace tl::live;

namespace {

std::string number(double value) {
  std::string text;
  append_number(text, value);
  return text;
}

Family gauge(Labels labels, Number value, std::string help = "h") {
  return {"m", std::move(help), Type::gauge, "", {number_point(std::move(labels), value)}};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("numbers are the shortest text that reads back to the same double") {
  CHECK(number(0.1) == "0.1");
  CHECK(number(1e21) == "1e+21");
  CHECK(number(5) == "5");
  CHECK(number(std::numeric_limits<double>::infinity()) == "+Inf");
  CHECK(number(-std::numeric_limits<double>::infinity()) == "-Inf");
  CHECK(number(std::numeric_limits<double>::quiet_NaN()) == "NaN");
  std::mt19937_64 random{1};
  for (int i = 0; i < 20'000; ++i) {
    const auto bits = random();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    const std::string text = number(value);
    double back = 0;
    std::from_chars(text.data(), text.data() + text.size(), back);
    REQUIRE(back == value);
  }
}

TEST_CASE("a count above 2^53 is exposed to the last digit") {
  CHECK(contains(encode({gauge({}, std::uint64_t{18446744073709551615U})}, Format::text),
                 "m 18446744073709551615\n"));
}

TEST_CASE("numbers have a point in every locale") {
  const tl::test::TemporaryFolder folder;
  const std::string built = folder.path() / "de_DE.UTF-8";
  (void)tl::run_command({"localedef", "-i", "de_DE", "-f", "UTF-8", built},
                        std::chrono::minutes{1});
  ::setenv("LOCPATH", folder.path().c_str(), 1);
  REQUIRE(std::setlocale(LC_ALL, "de_DE.UTF-8") != nullptr);
  const std::string by_locale = std::to_string(0.5);
  const std::string page = encode({gauge({}, 1234567.25)}, Format::openmetrics);
  std::setlocale(LC_ALL, "C");
  ::unsetenv("LOCPATH");
  CHECK(by_locale.starts_with("0,5"));  // the locale is really in force
  CHECK(contains(page, "m 1234567.25\n"));
}

TEST_CASE("help and label values are escaped as each format demands") {
  const Family family = gauge({{"path", "a\\b\"c\nd"}}, 1.0, "one \\ \"two\"\nthree");
  const std::string text = encode({family}, Format::text);
  CHECK(contains(text, "# HELP m one \\\\ \"two\"\\nthree\n"));
  CHECK(contains(text, R"(m{path="a\\b\"c\nd"} 1)"));
  CHECK(contains(encode({family}, Format::openmetrics), R"(# HELP m one \\ \"two\"\nthree)"));
}

TEST_CASE("bytes that are not UTF-8 become replacement characters") {
  CHECK(valid_utf8("a\xFFz") == "a\xEF\xBF\xBDz");
  CHECK(valid_utf8("\xC0\xAF") == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(valid_utf8("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(valid_utf8("cut \xE2\x82") == "cut \xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(valid_utf8("Zürich €𝄞") == "Zürich €𝄞");
}

TEST_CASE("OpenMetrics carries created, unit, exemplar, info, state set and ends with EOF") {
  Registry registry;
  registry.counter({"jobs_total", "Jobs.", ""})
      .with({})
      .inc(3, make_exemplar({{"id", "x"}}, 1, 1'500'000'000));
  registry.histogram({"rtt_seconds", "Rtt.", "seconds"}, {0.5, 1})
      .with({})
      .observe(0.5, make_exemplar({{"flow", "f"}}, 0.5, 2'000'000'001));
  registry.info({"build_info", "Build.", ""}).with({}).set({{"version", "1"}});
  registry.state_set({"phase", "Phase.", ""}, {"up", "down"}).with({}).set("down");
  const std::string page = encode(registry.collect(), Format::openmetrics);
  CHECK(contains(page, "# TYPE jobs counter\njobs_total 3 # {id=\"x\"} 1 1.5\njobs_created "));
  CHECK(contains(page, "# UNIT rtt_seconds seconds\n"));
  CHECK(contains(page, "rtt_seconds_bucket{le=\"0.5\"} 1 # {flow=\"f\"} 0.5 2.000000001\n"));
  CHECK(contains(page, "rtt_seconds_bucket{le=\"1.0\"} 1\nrtt_seconds_bucket{le=\"+Inf\"} 1\n"));
  CHECK(contains(page, "# TYPE build info\nbuild_info{version=\"1\"} 1\n"));
  CHECK(contains(page, "# TYPE phase stateset\nphase{phase=\"up\"} 0\nphase{phase=\"down\"} 1\n"));
  CHECK(page.ends_with("# EOF\n"));
}

TEST_CASE("text shows infos and state sets as gauges, leaves exemplars out and counts them") {
  Registry registry;
  registry.counter({"jobs_total", "Jobs.", ""}).with({}).inc(1, make_exemplar({{"id", "x"}}, 1, 1));
  registry.info({"build_info", "Build.", ""}).with({}).set({{"version", "1"}});
  registry.state_set({"phase", "Phase.", ""}, {"up", "down"}).with({});
  std::uint64_t dropped = 0;
  const std::string page =
      encode(registry.collect(), Format::text, {.created = true, .exemplars_dropped = &dropped});
  CHECK(dropped == 1);
  CHECK(contains(page, "# TYPE jobs_total counter\njobs_total 1\n"));
  CHECK(contains(page, "# TYPE jobs_created gauge\njobs_created "));
  CHECK(contains(page, "# TYPE build_info gauge\n"));
  CHECK(contains(page, "# TYPE phase gauge\n"));
  CHECK_FALSE(contains(page, "EOF"));
}

TEST_CASE("the Accept header chooses the format") {
  CHECK(negotiate("") == Format::text);
  CHECK(negotiate("application/json") == Format::text);
  CHECK(negotiate("*/*") == Format::text);
  CHECK(negotiate("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                  "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1") ==
        Format::openmetrics);
  CHECK(negotiate("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                  "encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8") ==
        Format::protobuf);
  CHECK(negotiate(
            "application/vnd.google.protobuf;proto=other;encoding=delimited, text/plain;q=0.1") ==
        Format::text);
  CHECK(negotiate("text/plain;q=0.9, application/openmetrics-text; q=0.2") == Format::text);
  CHECK(accepts_gzip("deflate, gzip;q=0.5"));
  CHECK_FALSE(accepts_gzip("gzip;q=0, *"));
  CHECK_FALSE(accepts_gzip(""));
}

TEST_CASE("exemplar labels of more than 128 characters are refused, umlauts counting once") {
  CHECK_NOTHROW(make_exemplar({{"id", std::string(126, 'x')}}, 1, 0));
  std::string umlauts;
  for (int i = 0; i < 126; ++i) umlauts += "ä";
  CHECK_NOTHROW(make_exemplar({{"id", umlauts}}, 1, 0));
  CHECK_THROWS_AS(make_exemplar({{"id", std::string(127, 'x')}}, 1, 0), tl::UsageError);
}

TEST_CASE("names that would break the page are refused") {
  Registry registry;
  CHECK_THROWS_AS(registry.gauge({"a-b", "h", ""}), tl::UsageError);
  CHECK_THROWS_AS(registry.gauge({"", "h", ""}), tl::UsageError);
  CHECK_THROWS_AS(registry.gauge({"a_bytes", "h", "seconds"}), tl::UsageError);
  registry.gauge({"a", "h", ""});
  CHECK_THROWS_WITH(registry.counter({"a_total", "h", ""}), "register a: the name is taken");
  auto& histogram = registry.histogram({"h", "h", ""}, {1});
  CHECK_THROWS_AS(histogram.with({{"le", "1"}}), tl::UsageError);
  CHECK_THROWS_AS(histogram.with({{"a", "1"}, {"a", "2"}}), tl::UsageError);
}

TEST_CASE("a summary gives nearest-rank quantiles of its window and counts everything") {
  Summary summary{{0.5, 0.99, 0, 1}, 100};
  for (int i = 1; i <= 200; ++i) summary.observe(i);
  const auto value = std::get<SummaryValue>(summary.collect().value);
  CHECK(value.count == 200);
  CHECK(value.sum == 20100);
  CHECK(value.quantiles ==
        std::vector<std::pair<double, double>>{{0, 101}, {0.5, 150}, {0.99, 199}, {1, 200}});
}
}  // namespace tl::live_exposition_test
