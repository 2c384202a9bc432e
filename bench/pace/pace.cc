// Adaptive beside fixed polling at equal bytes: six hours of six kinds of sources on a virtual
// clock, then a live run against Debian's Prometheus and node_exporter. Usage: bench_pace [SECONDS]
// of the live run; 0, the default: none
#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/fd.hh"
#include "support/change_traces.hh"
#include "support/monitored.hh"

namespace {

using namespace tl::test;

double seconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

void print_row(const VirtualServer& server) {
  const auto adaptive = poll_adaptive(server, {});
  const EqualBytes equal = fixed_at_equal_bytes(server, adaptive.wire_bytes);
  const auto fifteen = poll_fixed(server, 15 * kSecondNs, kSecondNs);
  const double against_15_s =
      100.0 * static_cast<double>(adaptive.wire_bytes) / static_cast<double>(fifteen.wire_bytes) -
      100;
  fmt::print(
      "| {} | {} | {} | {:.2f} / {:.2f} s | {:.1f} s: {:.2f} s, {:.0f} % | {} | {:+.0f} % |\n",
      server.trace.name, adaptive.changes, adaptive.polls, seconds(adaptive.mean_ns),
      seconds(adaptive.p99_ns), seconds(equal.interval_ns), seconds(equal.mean_ns),
      100 * equal.missed_ratio,
      adaptive.mean_ns == 0
          ? "-"
          : fmt::format("{:.2f}", seconds(equal.mean_ns) / seconds(adaptive.mean_ns)),
      against_15_s);
}

void print_virtual(std::int64_t scrape_s) {
  fmt::print("\n{}:\n\n", scrape_s == 0 ? "Every change is a sample"
                                        : fmt::format("Scraped every {} s", scrape_s));
  fmt::print(
      "| source | changes | adaptive polls | staleness mean / p99 | fixed at equal bytes: "
      "staleness, missed | times fresher | bytes against 15 s |\n|---|---|---|---|---|---|---|\n");
  for (const ChangeTrace& trace : all_traces()) print_row({trace, scrape_s * kSecondNs});
}

void print_random_seeds() {
  constexpr int kSeeds = 100;
  double sum = 0, worst = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const VirtualServer server{poisson_trace(60, static_cast<std::uint64_t>(seed)), 0};
    const auto adaptive = poll_adaptive(server, {});
    const double ratio = seconds(adaptive.mean_ns) /
                         seconds(fixed_at_equal_bytes(server, adaptive.wire_bytes).mean_ns);
    sum += ratio;
    worst = std::max(worst, ratio);
  }
  fmt::print(
      "\nPoisson, {} seeds: staleness against fixed polling at equal bytes: mean {:.3f}, worst "
      "{:.3f}\n",
      kSeeds, sum / kSeeds, worst);
}

void print_live(const std::string& duration) {
  const MonitoredNode node{every_second_config()};
  const std::string file = node.prometheus().folder() + "/report.json";
  tl::Argv argv{TL_PROGRAM,   "pace",       "adaptive",     "--url",     node.prometheus().url(),
                "--interval", "15s",        "--csv",        "/dev/null", "--min",
                "500ms",      "--duration", duration + "s", "--report",  file};
  for (const char* metric :
       {"node_time_seconds", "node_load1", "node_context_switches_total", "node_boot_time_seconds"})
    argv.insert(argv.end(), {"--metric", metric});
  (void)tl::must_run(argv, std::chrono::seconds{std::stoll(duration) + 60});
  const auto report = nlohmann::json::parse(tl::read_file(file));
  fmt::print("\nLive, {} s, scraped every second:\n\n", duration);
  fmt::print(
      "| metric | changes | polls | bytes | staleness mean / p99 | fixed at equal bytes |\n"
      "|---|---|---|---|---|---|\n");
  for (const auto& metric : report["metrics"]) {
    const auto& stale = metric["staleness"];
    const auto& equal = metric["fixed_at_equal_bytes"];
    const std::string mean =
        stale.is_null()
            ? "-"
            : fmt::format("{:.3f} / {:.3f} s", seconds(stale["mean_ns"]), seconds(stale["p99_ns"]));
    fmt::print("| {} | {} | {} | {} | {} | {:.1f} s: {:.3f} s |\n",
               metric["query"].get<std::string>(), metric["changes"].get<std::uint64_t>(),
               metric["polls"].get<std::uint64_t>(), metric["wire_bytes"].get<std::uint64_t>(),
               mean, seconds(equal["interval_ns"]), seconds(equal["mean_ns"]));
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const std::int64_t scrape_s : {0, 1, 5, 15}) print_virtual(scrape_s);
  print_random_seeds();
  if (argc > 1 && std::atoi(argv[1]) > 0) print_live(argv[1]);
  return 0;
}
