// The program's table of contents: every subcommand, and the only catch.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "base/version.hh"
#include "cli/command.hh"

namespace {

struct Command {
  std::string_view name;
  std::string_view summary;
  tl::ExitCode (*function)(const tl::Args&);
};

constexpr std::array kCommands{
    Command{"run", "bring a lab up, run the timed traffic test, leave a bundle", tl::command_run},
    Command{"report", "the report of a bundle: page, Markdown summary, plot", tl::command_report},
    Command{"ab", "run two experiments in alternation and compare them", tl::command_ab},
    Command{"compare", "whether runs are worse than others", tl::command_compare},
    Command{"gate", "judge runs by a policy: pass, fail, inconclusive", tl::command_gate},
    Command{"doctor", "whether this machine can do the main job", tl::command_doctor},
    Command{"counters", "exact in-kernel traffic counters", tl::command_counters},
    Command{"capture", "live capture with an exact account", tl::command_capture},
    Command{"export", "Prometheus exporter: pings, devices, this process", tl::command_export},
    Command{"pace", "poll Prometheus at fixed or adaptive intervals, log the cost",
            tl::command_pace},
    Command{"qos", "ping, iperf and HTTP probes to InfluxDB, CSV, Prometheus", tl::command_qos},
    Command{"gc", "remove what dead runs left on this host", tl::command_gc},
    Command{"pcap", "what captures hold: summary, bandwidth, series, flows, rtt, diff",
            tl::command_pcap},
    Command{"verify", "whether a bundle is as its run left it", tl::command_verify},
    Command{"recompute", "derive a bundle's numbers again and compare them", tl::command_recompute},
    Command{"rtt", "round-trip times of TCP as they pass, to a Pushgateway", tl::command_rtt},
    Command{"selftest", "put faults into runs and check that each gets its verdict",
            tl::command_selftest},
    Command{"serve", "a web page over results: list, reports, live runs", tl::command_serve},
    Command{"traffic", "iperf3 server or client as a service of a lab", tl::command_traffic},
};

void print_usage(std::FILE* to) {
  std::fputs(
      "Usage: trafficlab COMMAND [OPTIONS]   (trafficlab COMMAND --help shows the options and an "
      "example)\n\n",
      to);
  for (const Command& c : kCommands)
    std::fprintf(to, "  %-10.*s %.*s\n", static_cast<int>(c.name.size()), c.name.data(),
                 static_cast<int>(c.summary.size()), c.summary.data());
}

int exit_code(tl::ExitCode code) { return static_cast<int>(code); }

}  // namespace

int main(int argc, char** argv) try {
  spdlog::set_default_logger(spdlog::stderr_color_mt("trafficlab"));  // stdout is data
  const std::string_view wanted = argc > 1 ? argv[1] : "";
  if (wanted == "--help" || wanted == "-h" || wanted == "help") return print_usage(stdout), 0;
  if (wanted == "--version") return std::printf("trafficlab %s\n", tl::kVersion), 0;
  for (const Command& c : kCommands)
    if (c.name == wanted) return exit_code(c.function({argv + 2, argv + argc}));
  print_usage(stderr);
  return exit_code(tl::ExitCode::usage);
} catch (const tl::Error& e) {
  std::fprintf(stderr, "trafficlab: %s\n", e.what());
  return exit_code(e.code());
} catch (const std::exception& e) {
  std::fprintf(stderr, "trafficlab: %s\n", e.what());
  return exit_code(tl::ExitCode::machine);
}
