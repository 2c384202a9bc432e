// The main job end to end on the docker engine: real containers of the image that this tree makes.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <random>

#include "base/fd.hh"
#include "lab/image.hh"
#include "support/bundle_checks.hh"
#include "support/docker_daemon.hh"
#include "support/kills.hh"
#include "support/processes.hh"

namespace tl::docker_job_test {
using namespace tl::test;
using namespace std::chrono_literals;

TEST_CASE("docker: a run leaves a bundle whose every part is complete, and an empty engine") {
  make_lab_image();
  const DockerDaemon docker;
  const ScopedVariable host{"DOCKER_HOST", docker.host()};
  const TemporaryFolder results;
  const auto before = docker.inventory();
  const LabRun run = run_lab(results.path(), {"--engine", "docker", "--duration", "10"});
  INFO(run.err);
  REQUIRE(run.status.ok());
  REQUIRE_FALSE(run.manifest.is_null());
  CHECK(run.manifest.at("outcome").at("verdict") == "pass");
  CHECK(run.manifest.at("engine").at("name") == "docker");
  CHECK(run.manifest.at("engine")
            .at("facts")
            .at("image_id")
            .get<std::string>()
            .starts_with("sha256:"));
  check_dense_counters(run, 1000);
  check_captures(run);
  check_iperf(run);
  check_checksums(run);
  check_device_statistics(run);
  check_reconciliation(run);
  // A container's device hands to its driver just what it gets: nothing has to be cloned.
  const nlohmann::json counters = read_json(run.bundle / "counters/counters.json");
  for (const auto& point : counters.at("points"))
    for (const auto& device : point.at("devices"))
      CHECK(device.at("counted_at") == (device.at("name") == "eth0" ? "tcx" : "tap"));
  // Of the engine only: other tests are on the machine. The next test asks for the machine, too.
  CHECK(docker.inventory() == before);
}

TEST_CASE("docker: in 20 of 20 runs counters, device statistics, captures and iperf agree") {
  make_lab_image();
  const DockerDaemon docker;
  const ScopedVariable host{"DOCKER_HOST", docker.host()};
  const TemporaryFolder results;
  const std::vector<Argv> variants{
      {}, {"--protocol", "udp", "--bitrate", "50M"}, {"--reverse"}, {"--parallel", "4"}};
  const auto here = inventory(), there = docker.inventory();
  for (std::size_t i = 0; i < 20; ++i) {
    Argv args{"--engine", "docker", "--duration", "1"};
    args.insert(args.end(), variants[i % variants.size()].begin(),
                variants[i % variants.size()].end());
    const LabRun run = run_lab(results.path(), args);
    check_passed(run);
    check_device_statistics(run);
    check_reconciliation(run);
    check_dense_counters(run, 100);
    std::filesystem::remove_all(run.bundle);
  }
  check_nothing_left(here);
  CHECK(docker.inventory() == there);
}

TEST_CASE(
    "docker: an engine stopped during traffic ends the run with 4 and a bundle that says so") {
  make_lab_image();
  DockerDaemon docker;
  const ScopedVariable host{"DOCKER_HOST", docker.host()};
  const TemporaryFolder folder;
  const auto before = inventory();
  const UniqueFd log = open_fd(folder.path() / "log", O_RDWR | O_CREAT);
  ChildOptions options;
  options.stdout_fd = options.stderr_fd = log.get();
  Child run{lab_argv(folder.path() / "results", {"--engine", "docker", "--duration", "30"}),
            options};
  const auto text = [&] { return read_value(folder.path() / "log"); };
  REQUIRE(eventually([&] { return text().find("] traffic") != std::string::npos; }, 60s));
  docker.stop();
  const auto status = run.wait(60s);
  REQUIRE(status.has_value());
  INFO(text());
  CHECK(status->code == 4);
  CHECK(text().find("does not answer") != std::string::npos);
  for (const auto& bundle : std::filesystem::directory_iterator{folder.path() / "results"})
    CHECK(read_json(bundle.path() / "manifest.json").at("outcome").at("phase") == "traffic");
  docker.start();  // it forgot nothing: the next clean-up does
  CHECK(run_command({TL_PROGRAM, "gc"}, 60s).status.ok());
  check_nothing_left(before);
}

TEST_CASE("docker: 15 kills at random times leave nothing") {
  make_lab_image();
  const DockerDaemon docker;
  const ScopedVariable host{"DOCKER_HOST", docker.host()};
  const auto before = docker.inventory();
  const std::uint64_t seed = std::random_device{}();
  const KillCounts counts = kill_at_random({"--engine", "docker", "--duration", "2"}, 15, 6500ms,
                                           seed, docker.environment());
  MESSAGE(
      fmt::format("docker, seed {}: {} kills, {} things left behind, {} bundles without an outcome",
                  seed, counts.kills, counts.left_behind, counts.without_manifest));
  CHECK(counts.kills == 15);
  CHECK(counts.left_behind == 0);
  CHECK(counts.without_manifest == 0);
  CHECK(docker.inventory() == before);
}

// Building the lab's image runs scripts/setup.sh and the build where nothing is installed
// (docker/Dockerfile, stages packages and build).
TEST_CASE(
    "set-up: a minimal Debian container gets the packages, builds, and has a program that runs") {
  make_lab_image();
  const DockerDaemon docker;
  const auto inside = [&](const std::string& image, const Argv& command) {
    Argv words{"run", "--rm", "--network", "none", "--entrypoint", command.front(), image};
    words.insert(words.end(), command.begin() + 1, command.end());
    return docker.docker(words);
  };
  const Argv tools{"sh", "-c", "for t in cmake clang g++ bpftool; do command -v $t; done; true"};
  CHECK(inside(docker.base_image(), tools).empty());
  const std::string packages = docker.docker({"images", "--quiet", "trafficlab-packages"});
  REQUIRE_FALSE(packages.empty());
  const std::string found = inside(packages.substr(0, packages.find('\n')), tools);
  CHECK(found.find("cmake") != std::string::npos);
  CHECK(found.find("bpftool") != std::string::npos);
  const std::string lab = image_name(source_root());
  CHECK(inside(lab, {"trafficlab", "--version"}).starts_with("trafficlab "));
  CHECK(inside(lab, tools).empty());  // only what the program needs at run time
  CHECK(inside(lab, {"id", "-u"}) == "65534\n");
}
}  // namespace tl::docker_job_test
