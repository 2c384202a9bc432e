#include "bundle/run_folder.hh"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/fd.hh"
#include "base/sha256.hh"
#include "support/temporary.hh"

namespace tl::bundle_run_folder_test {
namespace fs = std::filesystem;

TEST_CASE("a run folder has a partial name until it is finished, and every file's checksum then") {
  const test::TemporaryFolder results;
  RunFolder folder{results.path(), "x", 1'795'000'000'000'000'000, ::getuid(), ::getgid()};
  CHECK(folder.path().filename() == "20261118T110640Z-x.partial");
  write_file_atomic(folder.path() / "logs/a.log", "hello");
  folder.finish({{"schema", kBundleSchema}});
  CHECK(folder.path() == folder.final_path());
  CHECK(folder.path().filename() == "20261118T110640Z-x");
  CHECK_FALSE(fs::exists(folder.path() / "control"));
  const auto manifest = nlohmann::json::parse(read_file(folder.path() / "manifest.json"));
  CHECK(manifest.at("files").at("logs/a.log").at("sha256") == sha256("hello"));
  CHECK(manifest.at("files").at("logs/a.log").at("bytes") == 5);
}

TEST_CASE("two runs in one second get different names") {
  const test::TemporaryFolder results;
  const RunFolder first{results.path(), "x", 1, ::getuid(), ::getgid()};
  const RunFolder second{results.path(), "x", 1, ::getuid(), ::getgid()};
  CHECK(first.final_path() != second.final_path());
}

TEST_CASE("an abandoned folder gets a manifest once and keeps its partial name") {
  const test::TemporaryFolder results;
  const RunFolder folder{results.path(), "x", 1, ::getuid(), ::getgid()};
  CHECK(close_abandoned(folder.path(), "the controller died"));
  CHECK_FALSE(close_abandoned(folder.path(), "again"));
  const auto manifest = nlohmann::json::parse(read_file(folder.path() / "manifest.json"));
  CHECK(manifest.at("outcome").at("reason") == "the controller died");
  CHECK(manifest.at("outcome").at("verdict") == "inconclusive");
}
}  // namespace tl::bundle_run_folder_test
