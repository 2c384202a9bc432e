#include "serve/result_folder.hh"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "base/errors.hh"
#include "support/temporary.hh"

namespace tl::serve_result_folder_test {
namespace fs = std::filesystem;
using tl::ResultFolder;

namespace {

void write(const fs::path& file, const std::string& text) { std::ofstream{file} << text; }

// results/ with a bundle, and beside it what must never be seen.
struct MadeResults {
  tl::test::TemporaryFolder outside;
  fs::path results = outside.path() / "results";
  MadeResults() {
    fs::create_directories(results / "run" / "captures");
    write(results / "run" / "manifest.json", "{}");
    write(results / "run" / "captures" / "a.pcap", "packets");
    write(outside.path() / "secret", "secret");
  }
};

}  // namespace

TEST_CASE("files of a bundle open, with their size and text") {
  const MadeResults made;
  const ResultFolder folder{made.results};
  const auto file = folder.open("run/captures/a.pcap");
  REQUIRE(file);
  CHECK(file->bytes == 7);
  CHECK(folder.read("run/captures/a.pcap", 100) == "packets");
  CHECK_FALSE(folder.read("run/captures/a.pcap", 6));
}

TEST_CASE("no path leaves the results: dots, absolute paths, links, NUL, folders, devices") {
  const MadeResults made;
  fs::create_symlink(made.outside.path() / "secret", made.results / "run" / "link");
  fs::create_directory_symlink(made.outside.path(), made.results / "door");
  fs::create_symlink("manifest.json", made.results / "run" / "inner");
  REQUIRE(::mkfifo((made.results / "run" / "fifo").c_str(), 0600) == 0);
  const ResultFolder folder{made.results};
  for (const std::string path :
       {"../secret", "run/../../secret", "run/../../results/run/manifest.json", "/etc/passwd",
        "run/link", "door/secret", "run/inner", "run", "run/captures", "run/fifo", "", ".", "..",
        "run/no-such-file"}) {
    CAPTURE(path);
    CHECK_FALSE(folder.open(path));
  }
  CHECK_FALSE(folder.open(std::string{"run/manifest.json\0.txt", 22}));
  CHECK_FALSE(folder.open(std::string(100'000, 'a')));
}

TEST_CASE("names are those of folders that may hold runs") {
  const MadeResults made;
  fs::create_directories(made.results / "with space");
  fs::create_directories(made.results / "20260131T120000Z-run");
  fs::create_directory_symlink(made.outside.path(), made.results / "door");
  write(made.results / "file", "");
  const ResultFolder folder{made.results};
  std::vector<std::string> names = folder.names();
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"20260131T120000Z-run", "run"});
  CHECK(folder.names().size() == 2);  // the second look begins anew
  for (const char* name : {"", ".", "..", "a/b", "a b", "é"})
    CHECK_FALSE(ResultFolder::is_name(name));
  CHECK_FALSE(ResultFolder::is_name(std::string(256, 'a')));
  CHECK(ResultFolder::is_name("a..b"));
}

TEST_CASE("a folder that is not there is an error in one line") {
  CHECK_THROWS_WITH_AS(ResultFolder{"/no/such/results"},
                       "results '/no/such/results': no such folder", tl::UsageError);
}
}  // namespace tl::serve_result_folder_test
