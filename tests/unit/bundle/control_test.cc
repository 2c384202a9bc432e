#include "bundle/control.hh"

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <thread>

#include "base/errors.hh"
#include "base/fd.hh"
#include "support/temporary.hh"

namespace tl::bundle_control_test {
using namespace std::chrono_literals;

namespace {

// From now on this thread cannot wait for the disk: fsync(2) fails.
bool deny_fsync() {
  std::array<sock_filter, 4> filter{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

TEST_CASE("a message posted before or after the wait begins arrives") {
  const test::TemporaryFolder folder;
  const Control control{folder.path()};
  CHECK_FALSE(control.await("gate", Deadline{10ms}).has_value());
  std::thread poster{[&] { Control{folder.path()}.post("gate", {{"server", "198.18.0.2"}}); }};
  const auto message = control.await("gate", Deadline{10s});
  poster.join();
  REQUIRE(message.has_value());
  CHECK(message->at("server") == "198.18.0.2");
  CHECK(control.await("gate", Deadline{10ms}).has_value());
}

TEST_CASE("a message with words that are not UTF-8 arrives") {
  const test::TemporaryFolder folder;
  const Control control{folder.path()};
  control.post("traffic", {{"options", {"--title", "M\xfcller"}}});
  CHECK(control.read("traffic").value().at("options").at(1) == "M\uFFFDller");
}

TEST_CASE("a message that is renewed all the time does not wait for the disk") {
  const test::TemporaryFolder folder;
  const Control control{folder.path()};
  bool is_denied = false, is_posted = false, is_synced = true;
  std::thread{[&] {  // a filter is its thread's, and stays
    is_denied = deny_fsync();
    control.post("live", {{"interval_ns", 1}}, Sync::no);
    is_posted = true;
    try {
      control.post("plan", {});
    } catch (const MachineError&) {
      is_synced = false;
    }
  }}
      .join();
  CHECK(is_denied);
  CHECK(is_posted);
  CHECK_FALSE(is_synced);
  CHECK(control.read("live").value().at("interval_ns") == 1);
  CHECK_FALSE(control.read("plan").has_value());
}

TEST_CASE("a wait ends when its stop descriptor becomes readable") {
  const test::TemporaryFolder folder;
  auto [read_end, write_end] = make_pipe();
  write_all(write_end.get(), "x", "pipe");
  CHECK_FALSE(Control{folder.path()}.await("gate", Deadline{10s}, read_end.get()).has_value());
}
}  // namespace tl::bundle_control_test
