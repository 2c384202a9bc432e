// Captures as a service of a run: the agent, its messages, and points that go away early.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "base/fd.hh"
#include "bundle/control.hh"
#include "bundle/plan.hh"
#include "support/capture_process.hh"
#include "support/processes.hh"
#include "support/temporary.hh"
#include "support/veth_pair.hh"

namespace tl::capture_agent_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr uid_t kNobody = 65534;

// A process that lives in a namespace, as a service of a lab does.
struct Resident {
  explicit Resident(const NetNs& netns) : child{{"sleep", "60"}, inside(netns)} {}
  static ChildOptions inside(const NetNs& netns) {
    ChildOptions options;
    options.prepare = [&netns] { return ::setns(netns.fd(), CLONE_NEWNET) == 0 ? 0 : errno; };
    return options;
  }
  Child child;
};

// An agent in a run folder that belongs to somebody else, armed on both ends of a pair.
struct AgentRun {
  explicit AgentRun(const VethPair& pair)
      : left{pair.left}, right{pair.right}, control{folder.path()} {
    std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
    std::filesystem::create_directory(captures());
    std::filesystem::permissions(folder.path() / "control", std::filesystem::perms::all);
    REQUIRE(::chown(captures().c_str(), kNobody, kNobody) == 0);
    agent.emplace(Argv{TL_PROGRAM, "capture", "--run-folder", folder.path().native()});
    REQUIRE(control.await("capture.ready", Deadline{10s}).has_value());
    Plan plan;
    plan.points = {{"left", left.child.pid(), pair.left.inode(), ""},
                   {"right", right.child.pid(), 0, ""}};
    control.post("plan", plan);
  }
  [[nodiscard]] std::filesystem::path captures() const { return folder.path() / "captures"; }
  [[nodiscard]] nlohmann::json account(const std::string& service) const {
    return nlohmann::json::parse(read_file(captures() / (service + ".capture.json")));
  }
  TemporaryFolder folder;
  Resident left, right;
  Control control;
  std::optional<Child> agent;
};

}  // namespace

TEST_CASE("the capture agent captures every point from armed to SIGTERM, without privileges") {
  const VethPair pair;
  UdpSender sender{pair, kWantedPort};
  AgentRun run{pair};
  const auto armed = run.control.await("capture.armed", Deadline{10s});
  REQUIRE(armed.has_value());
  CHECK(armed->at("captures").size() == 2);
  const std::string status = read_value("/proc/" + std::to_string(run.agent->pid()) + "/status");
  CHECK(status.find("Uid:\t65534\t65534\t65534\t65534") != std::string::npos);
  CHECK(status.find("CapEff:\t0000000000000000") != std::string::npos);
  sender.send(5'000);
  run.agent->signal(SIGTERM);
  const auto ended = run.agent->wait(10s);
  REQUIRE(ended.has_value());
  CHECK(ended->code == 0);
  for (const char* service : {"left", "right"}) {
    CAPTURE(service);
    const std::filesystem::path file = run.captures() / (std::string{service} + ".pcap");
    check_account(run.account(service), file);
    CHECK(run.account(service).at("written") == 5'000);
    CHECK(tcpdump_count(file, "udp port 9000") == 5'000);
    struct stat info {};
    REQUIRE(::stat(file.c_str(), &info) == 0);
    CHECK(info.st_uid == kNobody);
  }
  CHECK(run.account("left").at("armed_ns") <= armed->at("armed_ns"));
}

TEST_CASE("the capture agent outlives a point that goes away and says which capture is partial") {
  const VethPair pair;
  UdpSender sender{pair, kWantedPort};
  AgentRun run{pair};
  REQUIRE(run.control.await("capture.armed", Deadline{10s}).has_value());
  sender.send(1'000);
  run.right.child.signal(SIGKILL);  // the namespace itself lives on in the agent's socket
  pair.remove();
  REQUIRE(eventually([&] { return std::filesystem::exists(run.captures() / "right.capture.json"); },
                     10s));
  CHECK(run.agent->poll_status() == std::nullopt);
  run.agent->signal(SIGTERM);
  const auto ended = run.agent->wait(10s);
  REQUIRE(ended.has_value());
  CHECK(ended->code == 3);
  for (const char* service : {"left", "right"}) {
    CAPTURE(service);
    const nlohmann::json account = run.account(service);
    CHECK(account.at("outcome") == "partial");
    CHECK(account.at("written") == 1'000);
    check_account(account, run.captures() / account.at("file").get<std::string>());
  }
}

TEST_CASE("the capture agent refuses a point whose process has another namespace than planned") {
  const VethPair pair;
  TemporaryFolder folder;
  const Control control{folder.path()};
  Child agent{{TL_PROGRAM, "capture", "--run-folder", folder.path().native()}};
  Plan plan;
  plan.points = {{"left", ::getpid(), pair.left.inode(), ""}};
  control.post("plan", plan);
  const auto ended = agent.wait(10s);
  REQUIRE(ended.has_value());
  CHECK(ended->code == 3);
  CHECK_FALSE(control.read("capture.armed").has_value());
}
}  // namespace tl::capture_agent_test
