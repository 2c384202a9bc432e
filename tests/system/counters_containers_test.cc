// Real containers that are renamed and start again while they are counted.
#include <doctest/doctest.h>
#include <unistd.h>

#include "base/errors.hh"
#include "support/counters_process.hh"
#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/docker_daemon.hh"

namespace tl::counters_containers_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t kPort = 9000;

// A container that is gone at the end of the scope, under whatever name.
class Sleeper {
 public:
  Sleeper(const DockerDaemon& docker, const std::string& name)
      : docker_{docker},
        id_{line_of(
            {"run", "--detach", "--init", "--name", name, docker.base_image(), "sleep", "600"})} {}
  ~Sleeper() {
    try {
      docker_.docker({"rm", "--force", id_});
    } catch (const Error& error) {
      FAIL_CHECK(error.what());
    }
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  [[nodiscard]] NetNs netns() const { return NetNs::of_process(docker_.api().pid_of(id_)); }
  [[nodiscard]] std::string gateway() const {
    return line_of({"inspect", "--format", "{{.NetworkSettings.Networks.bridge.Gateway}}", id_});
  }

 private:
  [[nodiscard]] std::string line_of(const Argv& words) const {
    const std::string text = docker_.docker(words);
    return text.substr(0, text.find('\n'));
  }
  const DockerDaemon& docker_;
  std::string id_;
};

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
  // Containers of a test that was killed keep their names.
  const std::string web = "web-" + std::to_string(::getpid()),
                    shop = "shop-" + std::to_string(::getpid());
  const Sleeper sleeper{docker, web};
  const std::string gateway = sleeper.gateway();
  const NetNs first = sleeper.netns();
  const std::uint64_t begin_bytes = quiet_tx_bytes(first);
  Counters one{{"container", "--container", web}};
  Counters all{{"container", "--interval", "100ms"}};
  UdpSource{first}.send(gateway, kPort, kPayload, 100);
  docker.docker({"rename", web, shop});
  UdpSource{first}.send(gateway, kPort, kPayload, 50);
  const std::uint64_t sent_bytes = quiet_tx_bytes(first) - begin_bytes;
  CHECK(sent_bytes >= 150 * kFrame);

  CHECK(one.end().ok());
  const Sums of_one = sums_of(one.file());
  REQUIRE(of_one.series.size() == 1);
  CHECK(of_one.series.at(web).tx_bytes == sent_bytes);  // under the name that it began with

  docker.docker({"restart", "--time", "0", shop});
  const NetNs second = sleeper.netns();
  REQUIRE(second.inode() != first.inode());  // which this test holds
  constexpr std::uint32_t kLarge = 1000;
  UdpSource{second}.send(gateway, kPort, kLarge, 70);
  (void)quiet_tx_bytes(second);
  (void)all.end();  // whether something else on this machine was missed is not the question here
  const Sums of_all = sums_of(all.file());
  const std::uint64_t web_bytes = of_all.series.at(web).tx_bytes;
  CHECK(web_bytes >= sent_bytes);
  CHECK(web_bytes < sent_bytes + kLarge);  // it says goodbye, and no more
  CHECK(of_all.series.count(shop) == 0);
  const auto successor = of_all.series.find(std::to_string(second.inode()));
  REQUIRE(successor != of_all.series.end());
  CHECK(successor->second.tx_bytes > 35 * kLarge);
}
}  // namespace tl::counters_containers_test
