// `trafficlab selftest`: each fault leads to its verdict, and a check that does not hold is told.
#include "run/selftest.hh"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/clock.hh"
#include "base/process.hh"
#include "run/clock_step.hh"
#include "support/skip.hh"
#include "support/temporary.hh"

namespace tl::selftest_test {
using namespace std::chrono_literals;

TEST_CASE("selftest: every fault leads to the verdict it is documented to have") {
  const tl::test::TemporaryFolder folder;
  const tl::CommandResult result =
      tl::run_command({TL_PROGRAM, "selftest", "--results", folder.path().native(), "--compose",
                       TL_SOURCE_DIR "/compose.yaml"},
                      120s);
  CAPTURE(result.out);
  CAPTURE(result.err);
  CHECK(result.status.code == 0);
  for (const tl::Fault& fault : tl::faults()) {
    CAPTURE(std::string{fault.name});
    CHECK(result.out.find("ok   " + std::string{fault.name} + ":") != std::string::npos);
  }
  std::size_t bundles = 0;
  for (const auto& entry : std::filesystem::directory_iterator{folder.path()})
    bundles += std::filesystem::exists(entry.path() / "manifest.json") ? 1 : 0;
  CHECK(bundles == tl::faults().size());
}

TEST_CASE("selftest: a fault that does not exist is refused with the known ones") {
  const tl::CommandResult result =
      tl::run_command({TL_PROGRAM, "selftest", "--inject", "gremlins"}, 10s);
  CHECK(result.status.code == 2);
  CHECK(result.err.find("kill-iperf") != std::string::npos);
}

TEST_CASE("selftest: a stepped clock is back afterwards") {
  const auto offset_ns = [] { return tl::read_clock_pair(8).offset_ns(); };
  const std::int64_t before_ns = offset_ns();
  {
    const tl::ClockStep step{20ms};
    const std::int64_t change_ns = offset_ns() - before_ns;
    CHECK(change_ns > 19'000'000);
    CHECK(change_ns < 21'000'000);
  }
  const std::int64_t left_ns = offset_ns() - before_ns;
  CHECK(left_ns < 1'000'000);
  CHECK(left_ns > -1'000'000);
}
}  // namespace tl::selftest_test
