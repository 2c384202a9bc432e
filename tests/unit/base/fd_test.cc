#include "base/fd.hh"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "base/errors.hh"
#include "support/temporary.hh"

namespace tl::base_fd_test {
namespace fs = std::filesystem;

TEST_CASE("a file is replaced as a whole: nothing that others put beside it is followed or kept") {
  const test::TemporaryFolder folder;
  const fs::path victim = folder.path() / "victim", file = folder.path() / "gate.json";
  write_file_atomic(victim, "precious");
  fs::create_symlink(victim, folder.path() / "gate.json.tmp");
  fs::create_symlink(victim, file);
  write_file_atomic(file, "new");
  CHECK(read_file(file) == "new");
  CHECK(!fs::is_symlink(file));
  CHECK(read_file(victim) == "precious");
  const auto entries = fs::directory_iterator{folder.path()};
  CHECK(std::distance(begin(entries), end(entries)) == 3);
}

TEST_CASE("an output that somebody names goes behind links, and never in the place of a device") {
  const test::TemporaryFolder folder;
  const fs::path file = folder.path() / "file", link = folder.path() / "link",
                 pipe = folder.path() / "pipe", dangling = folder.path() / "dangling";
  write_file_atomic(file, "");
  fs::create_symlink("file", link);
  fs::create_symlink(folder.path() / "later", dangling);
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(output_target(folder.path() / "none") == folder.path() / "none");
  CHECK(fs::equivalent(output_target(file), file));
  CHECK(fs::equivalent(output_target(link), file));
  CHECK_THROWS_AS((void)output_target(dangling), UsageError);
  CHECK_THROWS_AS((void)output_target(pipe), UsageError);
  CHECK_THROWS_AS((void)output_target("/dev/null"), UsageError);
  CHECK_THROWS_AS((void)output_target(folder.path()), UsageError);
}
}  // namespace tl::base_fd_test
