// The docker engine on a real Docker engine of the test's own.
#include "lab/docker_engine.hh"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include "base/errors.hh"
#include "base/netns.hh"
#include "support/docker_daemon.hh"
#include "support/made_lab.hh"
#include "support/processes.hh"

namespace tl::docker_engine_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

// Two services that live until SIGTERM; `a` has an address, `b` has no network.
const std::string kTwoServices = R"(services:
  a:
    image: ${IMAGE}
    command: [sh, -c, "echo out; echo err >&2; trap 'exit 7' TERM; while :; do sleep 0.05; done"]
    networks: [lab]
    labels: {trafficlab.run: "${TRAFFICLAB_RUN_ID}", trafficlab.journal: "${TRAFFICLAB_JOURNAL}"}
  b:
    image: ${IMAGE}
    command: [sh, -c, "trap 'exec tail /dev/zero' USR1; while :; do sleep 0.05; done"]
    network_mode: none
    mem_limit: 16m
    labels: {trafficlab.run: "${TRAFFICLAB_RUN_ID}", trafficlab.journal: "${TRAFFICLAB_JOURNAL}"}
networks:
  lab:
    internal: true
    driver_opts: {com.docker.network.bridge.name: "${TRAFFICLAB_BRIDGE}"}
    ipam: {config: [{subnet: "${TRAFFICLAB_SUBNET}"}]}
    labels: {trafficlab.run: "${TRAFFICLAB_RUN_ID}", trafficlab.journal: "${TRAFFICLAB_JOURNAL}"}
)";

std::string one_service(const std::string& command) {
  return "services:\n  a:\n    image: ${IMAGE}\n    network_mode: none\n    command: " + command +
         "\n";
}

MadeLab make_lab(const DockerDaemon& docker, const std::string& compose = kTwoServices) {
  return MadeLab{make_docker_engine(docker.host()), compose, {{"IMAGE", docker.base_image()}}};
}

template <class Failure>
std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Failure& e) {
    return e.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("docker: services come up with pid, address and device, and go without a trace") {
  const DockerDaemon docker;
  MadeLab lab = make_lab(docker);
  const auto before = docker.inventory();
  const std::vector<Service> services = lab.up();
  REQUIRE(services.size() == 2);
  const Service& a = find(services, "a");
  CHECK(a.address.starts_with("198.18."));
  CHECK(a.device == "eth0");
  CHECK(a.container_id.size() == 64);
  CHECK(NetNs::of_process(a.pid).inode() != NetNs::current().inode());
  CHECK(find(services, "b").address.empty());
  CHECK(docker.inventory() != before);
  CHECK_FALSE(lab.engine().ended("a").has_value());
  CHECK(lab.engine().down() == std::vector<std::string>{});
  CHECK(docker.inventory() == before);
  CHECK(lab.engine().facts().at("docker").starts_with("2"));
}

TEST_CASE("docker: exit code, death by a signal and memory exhaustion are told apart") {
  const DockerDaemon docker;
  MadeLab lab = make_lab(docker);
  (void)lab.up();
  lab.engine().signal("a", SIGTERM);
  const ServiceEnd a = lab.wait("a");
  CHECK(a.status.code == 7);
  CHECK_FALSE(a.out_of_memory);
  lab.engine().signal("a", SIGTERM);  // nothing happens to one that has ended
  lab.engine().signal("b", SIGUSR1);
  const ServiceEnd b = lab.wait("b");
  CHECK(b.status.signal == SIGKILL);
  CHECK(b.out_of_memory);
  lab.engine().collect_logs();
  CHECK(contains(lab.log("a"), "out"));
  CHECK(contains(lab.log("a"), "err"));
}

TEST_CASE("docker: a service that ends at once is named with its last words, and nothing stays") {
  const DockerDaemon docker;
  MadeLab lab =
      make_lab(docker, one_service("[sh, -c, 'echo first >&2; echo no such thing >&2; exit 3']"));
  const auto before = docker.inventory();
  const std::string message = message_of<TrafficError>([&] { (void)lab.up(); });
  CHECK(message == "service a ended at once: exit code 3: no such thing");
  CHECK(docker.inventory() == before);
}

TEST_CASE("docker: a service that cannot start, and a file Compose refuses, are explained") {
  const DockerDaemon docker;
  const auto before = docker.inventory();
  MadeLab absent = make_lab(docker, one_service("[no-such-program]"));
  const std::string message = message_of<Error>([&] { (void)absent.up(); });
  CHECK_MESSAGE(contains(message, "no-such-program"), message);
  MadeLab wrong = make_lab(docker, one_service("[sleep, '9']") + "    no_such_key: 1\n");
  const std::string refusal = message_of<MachineError>([&] { (void)wrong.up(); });
  CHECK_MESSAGE(contains(refusal, "no_such_key"), refusal);
  CHECK(docker.inventory() == before);
}

TEST_CASE("docker: several labs stand side by side, each in a subnet of its own") {
  const DockerDaemon docker;
  const auto before = docker.inventory();
  MadeLab first = make_lab(docker), second = make_lab(docker), third = make_lab(docker);
  const std::string a = find(first.up(), "a").address, b = find(second.up(), "a").address,
                    c = find(third.up(), "a").address;
  CHECK(a != b);
  CHECK(b != c);
  CHECK(a != c);
  (void)second.engine().down();
  CHECK_FALSE(first.engine().ended("a").has_value());
  (void)first.engine().down();
  (void)third.engine().down();
  CHECK(docker.inventory() == before);
}

TEST_CASE("docker: a subnet that Docker finds taken is replaced by another one") {
  const DockerDaemon docker;
  const auto before = docker.inventory();
  MadeLab lab = make_lab(docker);
  std::vector<std::vector<Subnet>> asked;
  lab.request.choose_subnet = [&](const std::vector<Subnet>& taken) {
    asked.push_back(taken);
    // Somebody makes a network between the choice and its use.
    if (asked.size() == 1)
      docker.docker({"network", "create", "--subnet", "198.19.7.0/24", "tl-test-taken"});
    return asked.size() == 1 ? parse_subnet("198.19.7.0/28") : parse_subnet("198.19.9.0/28");
  };
  CHECK(find(lab.up(), "a").address.starts_with("198.19.9."));
  CHECK(asked.size() == 2);
  CHECK(asked.back().back().text() == "198.19.7.0/28");
  (void)lab.engine().down();
  docker.docker({"network", "rm", "tl-test-taken"});
  CHECK(docker.inventory() == before);
}

TEST_CASE("docker: an engine that stops during a run is an error that says so, and down tells it") {
  DockerDaemon docker;
  MadeLab lab = make_lab(docker);
  const pid_t service = find(lab.up(), "a").pid;
  docker.stop();
  const std::string message = message_of<MachineError>(
      [&] { (void)eventually([&] { return lab.engine().ended("a").has_value(); }, 20s); });
  CHECK_MESSAGE(contains(message, "does not answer"), message);
  lab.engine().collect_logs();
  const std::vector<std::string> problems = lab.engine().down();
  REQUIRE_FALSE(problems.empty());
  CHECK_MESSAGE(contains(problems.back(), "trafficlab gc"), problems.back());
  CHECK(::kill(service, 0) != 0);
}

TEST_CASE("docker: an engine that hangs is noticed by a deadline; its services do not live on") {
  DockerDaemon docker;
  MadeLab lab = make_lab(docker);
  const pid_t service = find(lab.up(), "a").pid;
  ::kill(docker.pid(), SIGSTOP);
  const std::string message = message_of<MachineError>(
      [&] { (void)eventually([&] { return lab.engine().ended("a").has_value(); }, 30s); });
  CHECK_MESSAGE(contains(message, "does not answer"), message);
  CHECK_FALSE(lab.engine().down().empty());
  CHECK(eventually([&] { return ::kill(service, 0) != 0; }, 5s));
  ::kill(docker.pid(), SIGCONT);
}

TEST_CASE("docker: a signal while the lab comes up leaves nothing") {
  const DockerDaemon docker;
  MadeLab lab = make_lab(docker);
  const auto before = docker.inventory();
  lab.request.choose_subnet = [&](const std::vector<Subnet>&) {
    ::kill(::getpid(), SIGTERM);  // Compose starts next
    return parse_subnet("198.19.5.0/28");
  };
  CHECK_THROWS_AS((void)lab.up(), Interrupted);
  CHECK(docker.inventory() == before);
}

TEST_CASE("docker: an engine that is not there, and a host that cannot be asked, are refused") {
  CHECK(contains(message_of<MachineError>([] { make_docker_engine("unix:///nonexistent.sock"); }),
                 "/nonexistent.sock does not answer"));
  CHECK(contains(message_of<UsageError>([] { make_docker_engine("ssh://elsewhere"); }),
                 "expected unix://PATH or tcp://HOST:PORT"));
  const ScopedVariable host{"DOCKER_HOST", "unix:///nonexistent.sock"};
  std::string why;
  CHECK(make_engine("auto", why)->name() == "netns");
  CHECK(contains(why, "/nonexistent.sock does not answer"));
  CHECK_THROWS_AS((void)make_engine("docker", why), MachineError);
}

TEST_CASE("docker: auto takes Docker when its engine answers") {
  const DockerDaemon docker;
  const ScopedVariable host{"DOCKER_HOST", docker.host()};
  std::string why;
  CHECK(make_engine("auto", why)->name() == "docker");
  CHECK(why == "a Docker engine answers");
}

TEST_CASE("docker: TRAFFICLAB_IMAGE is used as it is, and must be there") {
  const DockerDaemon docker;
  const std::string compose =
      "services:\n  a:\n    image: ${TRAFFICLAB_IMAGE}\n    network_mode: none\n    command: "
      "[sleep, '60']\n    stop_grace_period: 1s\n";
  {
    const ScopedVariable image{"TRAFFICLAB_IMAGE", docker.base_image()};
    MadeLab lab = make_lab(docker, compose);
    (void)lab.up();
    CHECK(lab.engine().facts().at("image") == docker.base_image());
  }
  const ScopedVariable image{"TRAFFICLAB_IMAGE", "no-such-image:1"};
  MadeLab lab = make_lab(docker, compose);
  CHECK(contains(message_of<MachineError>([&] { (void)lab.up(); }), "no-such-image:1"));
}
}  // namespace tl::docker_engine_test
