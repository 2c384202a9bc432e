#include "bundle/manifest.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "base/fd.hh"
#include "support/temporary.hh"

namespace tl::bundle_manifest_test {
namespace fs = std::filesystem;

TEST_CASE("verify finds a single flipped bit at every place of every file") {
  const test::TemporaryFolder folder;
  fs::create_directory(folder.path() / "captures");
  write_file_atomic(folder.path() / "captures/a.pcap", std::string("\0\1\2\3", 4));
  write_file_atomic(folder.path() / "experiment.yaml", "name: x\n");
  write_manifest(folder.path(), {{"schema", kBundleSchema}, {"started", "2026-01-31"}});
  CHECK(verify_bundle(folder.path()).empty());
  for (const char* name : {"captures/a.pcap", "experiment.yaml", "manifest.json"}) {
    const std::string good = read_file(folder.path() / name);
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(name);
      CAPTURE(i);
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 1);
      write_file_atomic(folder.path() / name, bad);
      CHECK_FALSE(verify_bundle(folder.path()).empty());
    }
    write_file_atomic(folder.path() / name, good);
  }
  CHECK(verify_bundle(folder.path()).empty());
}

TEST_CASE("verify names what is missing and what does not belong") {
  const test::TemporaryFolder folder;
  write_file_atomic(folder.path() / "a", "1");
  write_manifest(folder.path(), {{"schema", kBundleSchema}});
  fs::rename(folder.path() / "a", folder.path() / "b");
  CHECK(verify_bundle(folder.path()) ==
        std::vector<std::string>{"a: missing", "b: not in the manifest"});
}

TEST_CASE("words that are not UTF-8 are kept as far as they are, and the manifest verifies") {
  const test::TemporaryFolder folder;
  write_manifest(folder.path(), {{"schema", kBundleSchema}, {"argv", {"--title", "M\xfcller"}}});
  CHECK(read_manifest(folder.path()).at("argv").at(1) == "M\uFFFDller");
  CHECK(verify_bundle(folder.path()).empty());
}

TEST_CASE("a folder without a manifest, and one of a newer schema, are refused") {
  const test::TemporaryFolder folder;
  CHECK_THROWS_AS(read_manifest(folder.path()), UsageError);
  write_manifest(folder.path(), {{"schema", "trafficlab.bundle/2"}});
  CHECK_THROWS_WITH_AS((void)read_manifest(folder.path()),
                       doctest::Contains("is newer than this trafficlab"), UsageError);
}

TEST_CASE("a run of a series is inside the series") {
  CHECK(run_of_series("s", {{"bundle", "runs/a..b"}}) == fs::path{"s/runs/a..b"});
  for (const nlohmann::json& entry :
       {nlohmann::json{{"bundle", "/etc"}}, nlohmann::json{{"bundle", "../a"}},
        nlohmann::json{{"bundle", "runs/../../a"}}, nlohmann::json{{"bundle", ".."}},
        nlohmann::json{{"bundle", ""}}, nlohmann::json{{"bundle", 1}}, nlohmann::json::object(),
        nlohmann::json{}}) {
    CAPTURE(entry.dump());
    CHECK_THROWS_WITH_AS((void)run_of_series("s", entry),
                         doctest::Contains("read s/manifest.json: the run '"), UsageError);
  }
}
}  // namespace tl::bundle_manifest_test
