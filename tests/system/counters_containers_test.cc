// Real containers that are renamed and start again while they are counted.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "support/counters_process.hh"
#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/docker_daemon.hh"

using namespace tl;
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t kPort = 9000;

// What a container's eth0 has sent, once it is quiet.
std::uint64_t quiet_tx_bytes(const NetNs& netns) {
  std::vector<CounterPoint> points;
  points.push_back(open_point("container", netns.duplicate()));
  (void)wait_quiet(points, 300ms, 5s);
  return statistics(netns, "eth0").tx_bytes;
}

}  // namespace

TEST_CASE("T65 a container that is renamed keeps its series; one that starts again gets another") {
  const DockerDaemon docker;
  const ScopedVariable host{"DOCKER_HOST", docker.host()};
  docker.docker(
      {"run", "--detach", "--init", "--name", "web", docker.base_image(), "sleep", "600"});
  std::string gateway =
      docker.docker({"inspect", "--format", "{{.NetworkSettings.Networks.bridge.Gateway}}", "web"});
  gateway.erase(gateway.find_last_not_of('\n') + 1);
  const NetNs first = NetNs::of_process(docker.api().pid_of("web"));
  const std::uint64_t begin_bytes = quiet_tx_bytes(first);
  Counters one{{"container", "--container", "web"}};
  Counters all{{"container", "--interval", "100ms"}};
  UdpSource{first}.send(gateway, kPort, kPayload, 100);
  docker.docker({"rename", "web", "shop"});
  UdpSource{first}.send(gateway, kPort, kPayload, 50);
  const std::uint64_t sent_bytes = quiet_tx_bytes(first) - begin_bytes;
  CHECK(sent_bytes >= 150 * kFrame);

  CHECK(one.end().ok());
  const Sums of_one = sums_of(one.file());
  REQUIRE(of_one.series.size() == 1);
  CHECK(of_one.series.at("web").tx_bytes == sent_bytes);  // under the name that it began with

  docker.docker({"restart", "--time", "0", "shop"});
  const NetNs second = NetNs::of_process(docker.api().pid_of("shop"));
  REQUIRE(second.inode() != first.inode());  // which this test holds
  constexpr std::uint32_t kLarge = 1000;
  UdpSource{second}.send(gateway, kPort, kLarge, 70);
  (void)quiet_tx_bytes(second);
  (void)all.end();  // whether something else on this machine was missed is not the question here
  const Sums of_all = sums_of(all.file());
  const std::uint64_t web_bytes = of_all.series.at("web").tx_bytes;
  CHECK(web_bytes >= sent_bytes);
  CHECK(web_bytes < sent_bytes + kLarge);  // it says goodbye, and no more
  CHECK(of_all.series.count("shop") == 0);
  const auto successor = of_all.series.find(std::to_string(second.inode()));
  REQUIRE(successor != of_all.series.end());
  CHECK(successor->second.tx_bytes > 35 * kLarge);
}
