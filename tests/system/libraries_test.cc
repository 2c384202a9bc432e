// What the program loads when it starts, and what it says when a library that it loads later lacks.
#include <doctest/doctest.h>

#include "base/fd.hh"
#include "base/process.hh"
#include "support/temporary.hh"

namespace tl::libraries_test {
using namespace std::chrono_literals;

TEST_CASE("the program starts without libcurl, which would be a third of its start-up") {
  const CommandResult loaded = run_command({"ldd", TL_PROGRAM}, 10s);
  CAPTURE(loaded.err);
  REQUIRE(loaded.status.ok());
  CHECK(loaded.out.find("libc.so") != std::string::npos);
  CHECK(loaded.out.find("libcurl") == std::string::npos);
}

TEST_CASE("a broken libcurl fails the commands that need it, in one line, and no other") {
  const test::TemporaryFolder folder;
  write_file_atomic(folder.path() / "libcurl.so.4", "no library");
  const auto run = [&](const Argv& arguments) {
    Argv argv{"env", "LD_LIBRARY_PATH=" + folder.path().native(), TL_PROGRAM};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return run_command(argv, 10s);
  };
  CHECK(run({"--version"}).status.ok());
  const CommandResult polled =
      run({"pace", "baseline", "--url", "http://127.0.0.1:9", "--metric", "up", "--duration", "1s",
           "--csv", (folder.path() / "pace.csv").native()});
  CHECK(polled.status.code == 4);
  CAPTURE(polled.err);
  CHECK(polled.err.find("load libcurl: ") != std::string::npos);
  CHECK(polled.err.find("(apt-get install libcurl4)") != std::string::npos);
}
}  // namespace tl::libraries_test
