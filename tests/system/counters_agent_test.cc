// The counters agent of a run by itself, given orders as the controller gives them.
#include <doctest/doctest.h>
#include <sched.h>

#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/fd.hh"
#include "base/process.hh"
#include "bundle/control.hh"
#include "bundle/plan.hh"
#include "support/datagrams.hh"
#include "support/processes.hh"
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

json counted_while_packets_trickle(std::chrono::milliseconds gap) {
  const VethPair pair;
  const TemporaryFolder run;
  const Child left = idle_in(pair.left), right = idle_in(pair.right);
  std::filesystem::create_directories(run.path() / "counters");
  Child agent{{TL_PROGRAM, "counters", "--run-folder", run.path().native()}};
  const Control control{run.path()};
  REQUIRE(control.await("counters.ready", Deadline{20s}));
  Plan plan;
  plan.points = {{"left", left.pid(), 0, ""}, {"right", right.pid(), 0, ""}};
  control.post("plan", plan);
  control.post("open", json::object());
  REQUIRE(control.await("counters.armed", Deadline{20s}));
  {
    const UdpSource source{pair.left};
    const std::jthread trickle{[&](const std::stop_token& stop) {
      for (; !stop.stop_requested(); std::this_thread::sleep_for(gap))
        source.send("198.18.0.2", kWantedPort, 100, 1);
    }};
    std::this_thread::sleep_for(300ms);
    agent.signal(SIGTERM);
    const auto status = agent.wait(20s);
    REQUIRE(status);
    CHECK(status->ok());
  }
  return json::parse(read_file(run.path() / "counters" / "counters.json"));
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

}  // namespace tl::counters_agent_test
