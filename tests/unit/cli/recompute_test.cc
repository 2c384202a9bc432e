#include <doctest/doctest.h>
#include <unistd.h>

#include "base/errors.hh"
#include "bundle/run_folder.hh"
#include "cli/command.hh"
#include "support/temporary.hh"

namespace tl::cli_recompute_test {

TEST_CASE("recompute: a bundle without a traffic window is refused, and the line says so") {
  const test::TemporaryFolder results;
  const RunFolder folder{results.path(), "x", 1, ::getuid(), ::getgid()};
  const auto recompute = [&] { (void)command_recompute({folder.path().native()}); };
  const std::string refusal =
      "recompute " + folder.path().native() + ": its manifest has no traffic_window";
  CHECK_THROWS_AS(recompute(), UsageError);  // as the kill left it
  REQUIRE(close_abandoned(folder.path(), "the run was killed"));
  CHECK_THROWS_WITH_AS(recompute(), doctest::Contains(refusal.c_str()), MeasurementError);
  write_manifest(folder.path(), {{"schema", kBundleSchema}, {"traffic_window", nullptr}});
  CHECK_THROWS_WITH_AS(recompute(), doctest::Contains(refusal.c_str()), MeasurementError);
  write_manifest(folder.path(),
                 {{"schema", kBundleSchema}, {"traffic_window", {{"start_ns", nullptr}}}});
  CHECK_THROWS_WITH_AS(recompute(), doctest::Contains(refusal.c_str()), MeasurementError);
}
}  // namespace tl::cli_recompute_test
