#include <doctest/doctest.h>

#include <algorithm>

#include "report/plot_svg.hh"

namespace tl::report_overlay_test {
namespace {

constexpr std::int64_t kMs = 1'000'000;

// A service that receives `bytes` in every bucket of 10 ms, from `lead` buckets before its traffic.
OverlaidRun run_of(std::uint64_t bytes, std::size_t lead, std::size_t buckets) {
  OverlaidRun run;
  run.gate_ns = 1'000 * kMs;
  run.timeline.first_ns = run.gate_ns - static_cast<std::int64_t>(lead) * 10 * kMs;
  run.timeline.interval_ns = 10 * kMs;
  run.timeline.buckets = buckets;
  TimelineSeries series{"iperf-server", {}};
  for (auto& column : series.columns) column.assign(buckets, bytes);
  for (std::size_t i = 0; i < lead; ++i) series.columns[0][i] = 0;
  run.timeline.series.push_back(std::move(series));
  return run;
}

// How many points the mean curve of a color has.
std::size_t points_of(const std::string& svg, const std::string& color) {
  const std::size_t at = svg.find("fill=\"none\" stroke=\"" + color);
  const std::size_t begin = svg.rfind("d=\"", at);
  const std::string path = svg.substr(begin, at - begin);
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), ','));
}

}  // namespace

TEST_CASE("an overlay has both runs from the same lead to the shorter one's end") {
  const std::string svg = overlay_svg(run_of(1000, 5, 55), run_of(500, 20, 60), "b over a");
  CHECK(svg.find("iperf-server, received") != std::string::npos);
  CHECK(svg.find(">baseline<") != std::string::npos);
  CHECK(svg.find(">now<") != std::string::npos);
  // Of the second run 15 buckets are cut off in front: 45 are left of its 60.
  CHECK(points_of(svg, "#0072b2") == 45);
  CHECK(points_of(svg, "#d55e00") == 45);
}

TEST_CASE("an overlay of runs that have nothing in common says so") {
  OverlaidRun other = run_of(1, 0, 10);
  other.timeline.series.front().name = "another";
  CHECK(overlay_svg(run_of(1, 0, 10), other, "x").find("no service and no time in common") !=
        std::string::npos);
  OverlaidRun finer = run_of(1, 0, 10);
  finer.timeline.interval_ns = kMs;
  CHECK(overlay_svg(run_of(1, 0, 10), finer, "x").find("intervals of the two runs differ") !=
        std::string::npos);
  OverlaidRun none;
  none.timeline.missing = "no file";
  CHECK(overlay_svg(run_of(1, 0, 10), none, "x").find("No plot: no file") != std::string::npos);
}
}  // namespace tl::report_overlay_test
