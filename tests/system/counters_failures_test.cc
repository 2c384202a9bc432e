// What the counters lack: rights, kernel features, memory. One line that says what, exit code 4,
// and nothing half attached; and what they do not need once they count.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <thread>

#include "base/privileges.hh"
#include "support/counters_process.hh"
#include "support/counting.hh"
#include "support/lab_run.hh"
#include "support/processes.hh"
#include "support/star.hh"

namespace tl::counters_failures_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

struct Ended {
  ExitStatus status;
  std::string text;  // its stderr
};

// Runs `argv`, which wants to count for a moment, to its end.
Ended run_to_end(const Argv& argv, const std::function<int()>& prepare = {}) {
  const TemporaryFolder folder;
  const UniqueFd err = open_fd(folder.path() / "err", O_WRONLY | O_CREAT | O_APPEND);
  ChildOptions options;
  options.stderr_fd = err.get();
  options.prepare = prepare;
  Child child{argv, options};
  const auto status = child.wait(20s);
  REQUIRE(status.has_value());
  return {*status, read_value(folder.path() / "err")};
}

// Checks that it ends with 4 and one line that has `part`, and leaves nothing.
void check_refused(const Argv& argv, const std::string& part,
                   const std::function<int()>& prepare = {}) {
  CAPTURE(part);
  const auto before = inventory();
  const Ended ended = run_to_end(argv, prepare);
  INFO(ended.text);
  CHECK(ended.status.code == 4);
  CHECK(ended.text.find(part) != std::string::npos);
  CHECK(ended.text.find('\n') == std::string::npos);
  CHECK(ended.text.find("armed") == std::string::npos);
  CHECK(eventually([&] { return added(before, inventory()).empty(); }, 10s));
}

Argv counting_briefly() { return {TL_PROGRAM, "counters", "total", "--duration", "10ms"}; }

// As `counting_briefly`, after the words of a command that runs another.
Argv after(Argv words) {
  const Argv rest = counting_briefly();
  words.insert(words.end(), rest.begin(), rest.end());
  return words;
}

// From now on bpf(2) with `command`, or any when it is negative, answers `error`. For a child
// before exec: system calls only.
int deny_bpf(int command, int error) {
  const auto load = [](std::size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<__u32>(offset));
  };
  const auto is_denied = static_cast<__u16>(BPF_JMP | BPF_K | (command < 0 ? BPF_JGE : BPF_JEQ));
  std::array<sock_filter, 6> filter{{
      load(offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
      load(offsetof(seccomp_data, args)),  // its low half, here the first
      BPF_JUMP(is_denied, static_cast<__u32>(std::max(command, 0)), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<__u32>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : errno;
}

}  // namespace

TEST_CASE("T90 without a capability: which one is said, whether root or not") {
  check_refused(after({"setpriv", "--inh-caps=-all", "--bounding-set=-sys_admin,-bpf"}), "CAP_BPF");
  check_refused(after({"setpriv", "--inh-caps=-all", "--bounding-set=-sys_admin,-perfmon"}),
                "CAP_PERFMON");
  check_refused(after({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}), "CAP_BPF");
}

TEST_CASE("T90 these three capabilities are enough, without that of the traffic-control hooks") {
  const VethPair pair;
  const Ended run =
      run_to_end(after({"nsenter", "--net=" + path_of(pair.left), "setpriv", "--inh-caps=-all",
                        "--bounding-set=-all,+bpf,+perfmon,+net_raw"}));
  INFO(run.text);
  CHECK(run.status.ok());
  CHECK(run.text.find("armed") != std::string::npos);
}

TEST_CASE("T90 root of a user namespace has capabilities that do not count: refused") {
  check_refused(after({"unshare", "--user", "--map-root-user"}), "a user namespace");
}

TEST_CASE("T90 a sandbox that forbids bpf(2): refused with the kernel's reason") {
  check_refused(counting_briefly(), "a seccomp filter", [] { return deny_bpf(-1, EPERM); });
}

TEST_CASE("T90 a kernel that refuses programs, as one locked down does: nothing is attached") {
  for (const int error : {EPERM, EINVAL}) {
    CAPTURE(error);
    check_refused(counting_briefly(),
                  "load counters: ", [error] { return deny_bpf(BPF_PROG_LOAD, error); });
  }
}

TEST_CASE("T90 a kernel that refuses to attach: said so, nothing stays loaded") {
  check_refused(counting_briefly(),
                "attach counters: ", [] { return deny_bpf(BPF_LINK_CREATE, EPERM); });
}

TEST_CASE("T90 a kernel without BTF: said, with what would help") {
  // Hidden from this one process: its own mounts.
  check_refused(
      {"unshare", "--mount", "sh", "-c",
       "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" counters total --duration 10ms",
       TL_PROGRAM},
      "BTF");
}

TEST_CASE("T90 64 KiB of locked memory are enough where the kernel charges maps to cgroups") {
  const VethPair pair;
  const TemporaryFolder folder;
  Argv argv = after({"prlimit", "--memlock=65536:65536"});
  const Argv quiet =
      points(pair, {"--format", "csv", "--output", (folder.path() / "rows.csv").native()});
  argv.insert(argv.end(), quiet.begin(), quiet.end());
  const Ended run = run_to_end(argv);
  INFO(run.text);
  CHECK(run.status.ok());
  CHECK(run.text.find("armed") != std::string::npos);
}

TEST_CASE("T90 a usual limit of few descriptors is raised as far as it may be") {
  const Star star{30};
  Argv argv = after({"prlimit", "--nofile=64:4096"});
  for (const NetNs& leaf : star.leaves) argv.insert(argv.end(), {"--netns", path_of(leaf)});
  const Ended run = run_to_end(argv);
  INFO(run.text);
  CHECK(run.status.ok());
  CHECK(run.text.find("armed") != std::string::npos);
}

TEST_CASE("T94 every capability is dropped once it counts; reading goes on to the end") {
  const VethPair pair;
  Counters counters{points(pair, {"container", "--interval", "1ms"})};
  const auto sets = [&] {
    std::string lines;
    const std::string status =
        read_value("/proc/" + std::to_string(counters.child().pid()) + "/status");
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
      if (status.find(std::string{set} + ":\t0000000000000000") == std::string::npos) lines += set;
    return lines;
  };
  CHECK(sets() == "");
  UdpSender sender{pair, kWantedPort};
  for (int i = 0; i < 10; ++i) {  // over more than one reading of the ring
    sender.send(100);
    ::poll(nullptr, 0, 50);
  }
  CHECK(sets() == "");
  CHECK(counters.end().ok());
  const Sums sums = sums_of(counters.file());
  CHECK(sums.series.at(last_part(pair.left)) == frames(0, 1000));
  CHECK(sums.series.at(last_part(pair.right)) == frames(1000, 0));
}

TEST_CASE("T94 counters inside a process count on after it dropped every capability") {
  const VethPair pair;
  UdpSender sender{pair, kWantedPort};
  std::thread{[&] {  // capabilities are a thread's
    Counting counting{{{"a", &pair.left}, {"b", &pair.right}}};
    drop_capabilities();
    CHECK_FALSE(has_capability("CAP_BPF"));
    sender.send(200);
    counting.drain();
    sender.send(200);
    const Counted counted = counting.finish();
    CHECK(counted.devices.at("a,eth0") == frames(0, 400));
    CHECK(counted.devices.at("b,eth0") == frames(400, 0));
  }}
      .join();
}
}  // namespace tl::counters_failures_test
