// The counters agent of a run by itself, given orders as the controller gives them.
#include <doctest/doctest.h>
#include <sched.h>

#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "analysis/evidence.hh"
#include "base/fd.hh"
#include "base/process.hh"
#include "bundle/control.hh"
#include "bundle/plan.hh"
#include "support/datagrams.hh"
#include "support/processes.hh"
#include "support/slow_peer.hh"
#include "support/star.hh"
#include "support/temporary.hh"
#include "support/veth_pair.hh"

namespace tl::counters_agent_test {
using namespace tl::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

Child idle_in(const NetNs& netns) {
  ChildOptions options;
  options.prepare = [&netns] { return ::setns(netns.fd(), CLONE_NEWNET) == 0 ? 0 : errno; };
  return Child{{"sleep", "60"}, options};
}

// An agent that counts at both ends of a pair.
class Agent {
 public:
  explicit Agent(const VethPair& pair) : left_{idle_in(pair.left)}, right_{idle_in(pair.right)} {
    std::filesystem::create_directories(run_.path() / "counters");
    agent_.emplace(Argv{TL_PROGRAM, "counters", "--run-folder", run_.path().native()});
    const Control control{run_.path()};
    REQUIRE(control.await("counters.ready", Deadline{20s}));
    Plan plan;
    plan.points = {{"left", left_.pid(), 0, ""}, {"right", right_.pid(), 0, ""}};
    control.post("plan", plan);
    control.post("open", json::object());
    REQUIRE(control.await("counters.armed", Deadline{20s}));
  }
  void end() {
    agent_->signal(SIGTERM);
    const auto status = agent_->wait(20s);
    REQUIRE(status);
    CHECK(status->ok());
  }
  [[nodiscard]] const std::filesystem::path& run_folder() const { return run_.path(); }
  [[nodiscard]] json account() const {
    return json::parse(read_file(run_.path() / "counters" / "counters.json"));
  }

 private:
  TemporaryFolder run_;
  Child left_, right_;
  std::optional<Child> agent_;
};

json counted_while_packets_trickle(std::chrono::milliseconds gap) {
  const VethPair pair;
  Agent agent{pair};
  const UdpSource source{pair.left};
  const std::jthread trickle{[&](const std::stop_token& stop) {
    for (; !stop.stop_requested(); std::this_thread::sleep_for(gap))
      source.send("198.18.0.2", kWantedPort, 100, 1);
  }};
  std::this_thread::sleep_for(300ms);
  agent.end();
  return agent.account();
}

// "eth0" of the point at the left.
json left_device(const json& account) {
  for (const json& device : account.at("points").at(0).at("devices"))
    if (device.at("name") == "eth0") return device;
  return {};
}

}  // namespace

// Wide enough apart for the agent to find a quiet moment, not for its gate to close in it each
// time.
TEST_CASE("a packet that comes while the gate closes leaves counters and statistics equal") {
  int with_packets = 0;
  for (const auto gap : {25ms, 30ms, 35ms, 40ms, 45ms, 50ms, 60ms, 70ms}) {
    CAPTURE(gap.count());
    const json account = counted_while_packets_trickle(gap);
    CHECK(account.at("statistics_are_exact") == true);
    for (const json& point : account.at("points"))
      for (const json& device : point.at("devices")) {
        for (const auto& [name, counted] : device.at("counted").items()) {
          const auto grown = device.at("statistics_after").at(name).get<std::int64_t>() -
                             device.at("statistics_before").at(name).get<std::int64_t>();
          CAPTURE(name);
          CHECK(counted == grown);
          with_packets += counted > 0;
        }
      }
  }
  CHECK(with_packets > 0);
}

// A veth device refuses what its peer could not forward (is_skb_forwardable, net/core/dev.c).
TEST_CASE("what a driver refuses a run knows from the device, and its trace event is left alone") {
  const VethPair pair;
  ip_in(pair.right, "link set eth0 mtu 600");
  UdpSink sink{pair.right, "198.18.0.2", kWantedPort};
  Agent agent{pair};
  const UdpSource source{pair.left};
  for (const std::uint32_t payload_bytes : {100, 1000, 200, 1400})
    source.send("198.18.0.2", kWantedPort, payload_bytes, 50);
  REQUIRE(sink.take(100) == 100);
  agent.end();
  const json account = agent.account(), device = left_device(account);
  CHECK(device.at("counted_at") == "tcx");
  CHECK(device.at("counted").at("tx_packets") == 200);
  CHECK(device.at("refused") == json{{"tx_bytes", nullptr}, {"tx_packets", 100}});
  CHECK_FALSE(account.at("losses").at("recursion_misses").contains("failed"));
  const std::vector<ServiceEvidence> services = read_evidence(agent.run_folder()).services;
  CHECK(services.at(0).refused_bytes == 50 * (1000 + 1400 + 2 * kHeaderBytes));
  CHECK(reconcile(services, {}).problems() == std::vector<std::string>{});
}

TEST_CASE("where a device has a queue what its driver refuses is counted") {
  const VethPair pair;
  const SlowPeer slow{pair};
  tc_in(pair.left, "qdisc add dev eth0 root pfifo limit 2000");
  UdpSink sink{pair.right, "198.18.0.2", kWantedPort};
  Agent agent{pair};
  const UdpSource source{pair.left};
  slow.during([&] { source.send("198.18.0.2", kWantedPort, 100, 1000); });
  REQUIRE(sink.take(1000) == 1000);
  agent.end();
  const json account = agent.account(), device = left_device(account);
  CHECK(account.at("losses").at("recursion_misses").contains("failed"));
  CHECK(device.at("counted_at") == "tap");
  CHECK(device.at("counted").at("tx_packets") == 1000);
  CHECK(device.at("refused") == json{{"tx_bytes", 0}, {"tx_packets", 0}});
}

}  // namespace tl::counters_agent_test
