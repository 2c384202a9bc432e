// Bare overhead of a run: from start to gate open, and from the end of traffic to the bundle.
// Medians of N runs on each engine, beside the targets. Usage: bench_startup [RUNS]   (a built
// tree, root). DOCKER_HOST names the docker engine; without it one is started for the purpose, as
// the system tests do, and the image is built when its inputs changed.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "base/clock.hh"
#include "base/fd.hh"
#include "base/process.hh"
#include "support/docker_daemon.hh"

namespace {

struct Times {
  double to_gate_s = 0, after_traffic_s = 0;
};

Times run_once(const std::string& engine, const std::string& results) {
  const std::int64_t begin_ns = tl::realtime_ns();
  const tl::CommandResult run =
      tl::run_command({TL_PROGRAM, "run", "--compose", TL_SOURCE_DIR "/compose.yaml", "--results",
                       results, "--engine", engine, "--duration", "1", "--bitrate", "10M"},
                      std::chrono::seconds{120});
  const std::int64_t end_ns = tl::realtime_ns();
  if (!run.status.ok()) throw std::runtime_error{run.err};
  const std::filesystem::path bundle = run.out.substr(0, run.out.find('\n'));
  const auto window =
      nlohmann::json::parse(tl::read_file(bundle / "manifest.json")).at("traffic_window");
  return {static_cast<double>(window.at("start_ns").get<std::int64_t>() - begin_ns) / 1e9,
          static_cast<double>(end_ns - window.at("end_ns").get<std::int64_t>()) / 1e9};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct EngineUnderTest {
  const char* name;
  double target_s;  // start to gate open
};

void measure(const EngineUnderTest& engine, int runs, const std::string& results) {
  std::vector<double> to_gate, after;
  (void)run_once(engine.name, results);  // warms the caches
  for (int i = 0; i < runs; ++i) {
    const Times t = run_once(engine.name, results);
    to_gate.push_back(t.to_gate_s);
    after.push_back(t.after_traffic_s);
  }
  fmt::print(
      "{:<7} start to gate open: median {:.3f} s of {} (target {} s: {}); end of traffic to "
      "bundle: "
      "median {:.3f} s\n",
      engine.name, median(to_gate), runs, engine.target_s,
      median(to_gate) < engine.target_s ? "met" : "not met", median(after));
}

}  // namespace

int main(int argc, char** argv) try {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
  const tl::test::TemporaryFolder results;
  measure({"netns", 1.5}, runs, results.path());
  if (std::getenv("DOCKER_HOST") != nullptr) {
    measure({"docker", 8}, runs, results.path());
    return 0;
  }
  tl::test::make_lab_image();
  const tl::test::DockerDaemon docker;
  const tl::test::ScopedVariable host{"DOCKER_HOST", docker.host()};
  measure({"docker", 8}, runs, results.path());
  return 0;
} catch (const std::exception& e) {
  fmt::print(stderr, "bench_startup: {}\n", e.what());
  return 1;
}
