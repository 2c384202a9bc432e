#include "base/process.hh"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "base/errors.hh"

namespace tl::base_process_test {
using namespace std::chrono_literals;

TEST_CASE("a command's output, input and status come back") {
  CHECK(must_run({"cat"}, 10s, "hello") == "hello");
  const CommandResult result = run_command({"sh", "-c", "echo out; echo err >&2; exit 3"}, 10s);
  CHECK(result.out == "out\n");
  CHECK(result.err == "err\n");
  CHECK(result.status.code == 3);
}

TEST_CASE("a program starts with three descriptors, whatever a library left open") {
  const int leaked = ::fcntl(2, F_DUPFD, 50);  // without O_CLOEXEC
  const std::string open = must_run({"sh", "-c", "echo /proc/$$/fd/*"}, 10s);
  ::close(leaked);
  CHECK(open.find("/fd/" + std::to_string(leaked)) == std::string::npos);
  CHECK(open.find("/fd/2") != std::string::npos);
}

TEST_CASE("a program that does not exist is named") {
  CHECK_THROWS_WITH((void)run_command({"tl-no-such-program"}, 1s),
                    "start tl-no-such-program: no such program in PATH");
}

TEST_CASE("a failing command's last line of stderr becomes the message") {
  CHECK_THROWS_WITH((void)must_run({"sh", "-c", "echo first >&2; echo second >&2; exit 2"}, 10s),
                    "run sh -c 'echo first >&2; echo second >&2; exit 2': exit code 2: second");
}

TEST_CASE("a command over its time is killed") {
  CHECK_THROWS_AS((void)run_command({"sleep", "60"}, 50ms), MachineError);
}

TEST_CASE("a child that ignores SIGTERM gets SIGKILL after the grace time") {
  Child child{{"sh", "-c", "trap '' TERM; while :; do sleep 1; done"}};
  CHECK_FALSE(child.wait(50ms).has_value());
  CHECK(child.terminate(100ms).signal == SIGKILL);
}

TEST_CASE("an abandoned child does not outlive its object") {
  pid_t pid = 0;
  {
    const Child child{{"sleep", "60"}};
    pid = child.pid();
  }
  CHECK(::kill(pid, 0) != 0);
}
}  // namespace tl::base_process_test
