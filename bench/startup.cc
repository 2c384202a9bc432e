// Bare overhead of a run: from start to gate open, and from the end of traffic to the bundle.
// Medians of N runs on each engine that answers here. Usage: startup [RUNS]   (a built tree, root;
// docker: built images)
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

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
  std::string results = "/tmp/tl-bench-XXXXXX";
  if (::mkdtemp(results.data()) == nullptr) return 1;
  for (const std::string engine : {"netns", "docker"}) {
    std::vector<double> to_gate, after;
    try {
      (void)run_once(engine, results);  // builds the image, warms the caches
      for (int i = 0; i < runs; ++i) {
        const Times t = run_once(engine, results);
        to_gate.push_back(t.to_gate_s);
        after.push_back(t.after_traffic_s);
      }
      fmt::print(
          "{:<7} start to gate open: median {:.3f} s (of {}); end of traffic to bundle: median "
          "{:.3f} s\n",
          engine, median(to_gate), runs, median(after));
    } catch (const std::exception& e) {
      fmt::print("{:<7} not measured: {}\n", engine, e.what());
    }
  }
  std::filesystem::remove_all(results);
  return 0;
}
