#include "lab/watched_command.hh"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include "base/errors.hh"
#include "base/fd.hh"
#include "support/temporary.hh"

namespace tl::lab_watched_command_test {
using namespace tl::test;
using std::chrono::seconds;

TEST_CASE("a watched command's output goes to its log, its answer to the caller") {
  const TemporaryFolder folder;
  StopSignals stop;
  const WatchedCommand command{
      {"sh", "-c", "echo answer; echo talk >&2"}, {}, folder.path() / "log", seconds{10}};
  CHECK(answer_of(command, &stop) == "answer");
  CHECK(read_value(command.log) == "talk");
  CHECK(run_watched(command, &stop).ok());
  CHECK(read_value(command.log) == "talk\nanswer\ntalk");
}

TEST_CASE("a watched command ends on a signal and at its limit, and gets the time to tidy up") {
  const TemporaryFolder folder;
  const std::string tidy = "trap 'echo tidied; exit 1' TERM; while :; do sleep 0.02; done";
  {
    StopSignals stop;
    ::kill(::getpid(), SIGTERM);
    CHECK_THROWS_AS(
        run_watched({{"sh", "-c", tidy}, {}, folder.path() / "log", seconds{10}}, &stop),
        Interrupted);
  }
  CHECK_THROWS_WITH_AS(
      run_watched({{"sleep", "60"}, {}, folder.path() / "other", seconds{1}}, nullptr),
      doctest::Contains("no end after 1 s"), MachineError);
}

TEST_CASE("the line that explains a failure is the last one that speaks of an error") {
  const TemporaryFolder folder;
  const auto explained = [&](const std::string& text) {
    write_file_atomic(folder.path() / "log", text);
    return explains(folder.path() / "log");
  };
  CHECK(explained("Step 1\nE: Unable to locate package x\nRemoving container\n") ==
        "E: Unable to locate package x");
  CHECK(explained("ERROR: for a  Cannot start\nEncountered errors while bringing up the project.\n")
            .starts_with("ERROR: for a"));
  CHECK(explained("one\ntwo\n\n") == "two");
  CHECK(explained("").empty());
}
}  // namespace tl::lab_watched_command_test
