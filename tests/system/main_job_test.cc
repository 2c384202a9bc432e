// The main job end to end on the netns engine: real namespaces, real eBPF, real iperf.
#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <thread>

#include "base/fd.hh"
#include "support/bundle_checks.hh"

namespace tl::main_job_test {
using namespace tl::test;
using namespace std::chrono_literals;

TEST_CASE("netns: a run leaves a bundle whose every part is complete and consistent") {
  const TemporaryFolder results;
  const auto before = inventory();
  const LabRun run = run_lab(results.path(), {"--engine", "netns", "--duration", "10"});
  check_passed(run);
  CHECK(run.manifest.at("schema") == "trafficlab.bundle/1");
  check_dense_counters(run, 1000);
  check_captures(run);
  check_iperf(run);
  check_checksums(run);
  check_device_statistics(run);
  check_nothing_left(before);
}

TEST_CASE("netns: in 20 of 20 runs counters, device statistics, captures and iperf agree") {
  const TemporaryFolder results;
  const std::vector<Argv> variants{{},
                                   {"--protocol", "udp", "--bitrate", "50M"},
                                   {"--reverse"},
                                   {"--parallel", "4"},
                                   {"--interval", "1ms"}};
  for (std::size_t i = 0; i < 20; ++i) {
    Argv args{"--engine", "netns", "--duration", "1"};
    args.insert(args.end(), variants[i % variants.size()].begin(),
                variants[i % variants.size()].end());
    const LabRun run = run_lab(results.path(), args);
    INFO(printable(args));
    check_dense_counters(run, 100);
    check_passed(run);
    check_device_statistics(run);
    check_reconciliation(run);
    std::filesystem::remove_all(run.bundle);
  }
}

TEST_CASE("a bundle's numbers come out of its evidence again, and damage to any of it is found") {
  const TemporaryFolder results;
  const LabRun run = run_lab(results.path(), {"--engine", "netns", "--duration", "1"});
  check_passed(run);
  CHECK(run_trafficlab({"verify", run.bundle.native()}).status.ok());
  CHECK(run_trafficlab({"recompute", run.bundle.native()}).status.ok());
  const auto files = run.manifest.at("files");
  for (const auto& [name, listed] : files.items()) {
    const std::filesystem::path file = run.bundle / name;
    const std::string good = read_file(file);
    if (good.empty()) continue;
    std::string bad = good;
    bad[good.size() / 2] = static_cast<char>(bad[good.size() / 2] ^ 1);
    write_file_atomic(file, bad);
    const CommandResult result = run_trafficlab({"verify", run.bundle.native()});
    CHECK(result.status.code == 1);
    CHECK(result.out == name + ": changed\n");
    write_file_atomic(file, good);
  }
  // A bucket of the time of traffic gone: the reconciliation says where.
  std::string counters = read_file(run.bundle / "counters/container.csv");
  const auto row = counters.rfind('\n', counters.size() / 2);
  counters.erase(row, counters.find('\n', row + 1) - row);
  write_file_atomic(run.bundle / "counters/container.csv", counters);
  const CommandResult result = run_trafficlab({"recompute", run.bundle.native()});
  CHECK(result.status.code == 1);
  CHECK(result.out.find("alone against the others: counters/container.csv") != std::string::npos);
}

TEST_CASE("netns: four labs at once all pass") {
  const TemporaryFolder results;
  std::vector<LabRun> runs(4);
  std::vector<std::thread> threads;
  for (LabRun& run : runs)
    threads.emplace_back([&] {
      run = run_lab(results.path(), {"--engine", "netns", "--duration", "3", "--bitrate", "100M"});
    });
  for (std::thread& thread : threads) thread.join();
  for (const LabRun& run : runs) {
    check_passed(run);
    check_device_statistics(run);
    check_captures(run);
  }
}

TEST_CASE("netns: a bundle given to run is repeated with the same experiment") {
  const TemporaryFolder results;
  const LabRun first = run_lab(results.path(), {"--engine", "netns", "--duration", "1", "--name",
                                                "again", "--parallel", "2"});
  check_passed(first);
  const LabRun second = run_lab(results.path(), {first.bundle.native()});
  check_passed(second);
  CHECK(second.manifest.at("experiment") == first.manifest.at("experiment"));
  CHECK(read_file(second.bundle / "experiment.yaml") ==
        read_file(first.bundle / "experiment.yaml"));
}
}  // namespace tl::main_job_test
