// What runs that died leave behind, and that a living lab is never touched, on both engines.
#include "lab/leftovers.hh"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <csignal>

#include "base/fd.hh"
#include "lab/docker_engine.hh"
#include "lab/netns_engine.hh"
#include "support/docker_daemon.hh"
#include "support/lab_run.hh"
#include "support/made_lab.hh"
#include "support/processes.hh"

namespace tl::leftovers_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

const std::string kSleeper = R"(services:
  a:
    image: ${IMAGE:-none}
    entrypoint: [sleep, '600']
    networks: [lab]
    labels: {trafficlab.run: "${TRAFFICLAB_RUN_ID}", trafficlab.journal: "${TRAFFICLAB_JOURNAL}"}
networks:
  lab:
    internal: true
    driver_opts: {com.docker.network.bridge.name: "${TRAFFICLAB_BRIDGE}"}
    ipam: {config: [{subnet: "${TRAFFICLAB_SUBNET}"}]}
    labels: {trafficlab.run: "${TRAFFICLAB_RUN_ID}", trafficlab.journal: "${TRAFFICLAB_JOURNAL}"}
)";

CommandResult gc(const std::vector<std::pair<std::string, std::string>>& environment = {}) {
  ChildOptions options;
  options.environment = environment;
  return run_command({TL_PROGRAM, "gc"}, 60s, "", options);
}

// A run that is killed without warning once its log says `moment`; `gc` is left to the caller.
void kill_run(const std::filesystem::path& folder, const Argv& args, const std::string& moment,
              const std::vector<std::pair<std::string, std::string>>& environment = {}) {
  const std::filesystem::path log = folder / "run.log";
  const UniqueFd output = open_fd(log, O_WRONLY | O_CREAT | O_TRUNC);
  ChildOptions options;
  options.stdout_fd = options.stderr_fd = output.get();
  options.environment = environment;
  Child run{lab_argv(folder / "results", args), options};
  INFO(read_value(log));
  REQUIRE(eventually([&] { return read_value(log).find(moment) != std::string::npos; }, 60s));
  run.signal(SIGKILL);
  REQUIRE(run.wait(10s).has_value());
}

}  // namespace

TEST_CASE("gc: a living lab on the docker engine is not touched, a dead one is removed") {
  const DockerDaemon docker;
  const auto before = docker.inventory();
  auto lab =
      std::make_unique<MadeLab>(make_docker_engine(docker.host()), kSleeper,
                                std::map<std::string, std::string>{{"IMAGE", docker.base_image()}});
  (void)lab->up();
  const auto up = docker.inventory();
  const CommandResult while_alive = gc(docker.environment());
  CHECK_MESSAGE(while_alive.status.ok(), while_alive.err);
  CHECK(docker.inventory() == up);
  CHECK_FALSE(lab->engine().ended("a").has_value());

  // From here on the journal is no living run's: as if the controller had been killed.
  std::filesystem::remove(lab->journal().path());
  const CommandResult afterwards = gc(docker.environment());
  CHECK_MESSAGE(afterwards.status.ok(), afterwards.err);
  CHECK(afterwards.out.find("removed container tl-") != std::string::npos);
  CHECK(afterwards.out.find("removed network tl-") != std::string::npos);
  CHECK(docker.inventory() == before);
}

TEST_CASE("gc: a lab without the journal label is removed only when our journal names it") {
  const DockerDaemon docker;
  const auto before = docker.inventory();
  docker.docker({"network", "create", "--label", "com.docker.compose.project=tl-c0ffee", "--label",
                 "trafficlab.run=c0ffee", "tl-c0ffee_lab"});
  CHECK(gc(docker.environment()).status.ok());
  CHECK(docker.inventory() != before);
  {
    Journal journal{"c0ffee"};
    journal.record("docker_host", docker.host());
    CHECK(gc(docker.environment()).status.ok());  // it lives
    CHECK(docker.inventory() != before);
    journal.keep();
  }
  const CommandResult result = gc();  // the journal knows the engine
  CHECK_MESSAGE(result.status.ok(), result.err);
  CHECK(result.out.find("removed network tl-c0ffee_lab") != std::string::npos);
  CHECK(docker.inventory() == before);
}

TEST_CASE("gc: what a dead run has in an engine that does not answer is kept for the next try") {
  DockerDaemon docker;
  {
    Journal journal{"c0ffef"};
    journal.record("docker_host", docker.host());
    journal.keep();
  }
  ::kill(docker.pid(), SIGSTOP);
  const CommandResult result = gc();
  CHECK(result.status.code == 4);
  CHECK_MESSAGE(result.err.find("does not answer") != std::string::npos, result.err);
  ::kill(docker.pid(), SIGCONT);
  CHECK(gc().out.find("journal of dead run c0ffef") != std::string::npos);
  CHECK(gc().out.empty());
}

TEST_CASE("gc: a run killed on the netns engine leaves a closed bundle and nothing else") {
  const TemporaryFolder folder;
  const auto before = inventory();
  kill_run(folder.path(), {"--engine", "netns", "--duration", "20"}, "] traffic");
  const CommandResult result = gc();
  CHECK_MESSAGE(result.status.ok(), result.err);
  CHECK(result.out.find("journal of dead run") != std::string::npos);
  CHECK(eventually([&] { return added(before, inventory()).empty(); }, 5s));
  for (const auto& bundle : std::filesystem::directory_iterator{folder.path() / "results"})
    CHECK(read_json(bundle.path() / "manifest.json").at("outcome").at("verdict") == "inconclusive");
}
}  // namespace tl::leftovers_test
