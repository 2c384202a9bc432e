#include "live/exporter_config.hh"

#include <doctest/doctest.h>

#include <fstream>

#include "support/temporary.hh"

namespace tl::live_exporter_config_test {

TEST_CASE("a port that stands twice in the exporter's file counts once") {
  const tl::test::TemporaryFolder folder;
  const auto file = folder.path() / "export.yaml";
  std::ofstream{file} << "counters: true\nports: [443, 80, 443, 80]\n";
  CHECK(live::read_exporter_config(file).ports == std::vector<std::uint16_t>{443, 80});
}
}  // namespace tl::live_exporter_config_test
