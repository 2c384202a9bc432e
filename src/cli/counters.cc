#include <fmt/format.h>

#include "base/units.hh"
#include "cli/command.hh"
#include "lab/docker_api.hh"
#include "probe/counter_kernel.hh"
#include "probe/counter_stream.hh"
#include "probe/counters_agent.hh"
#include "probe/ports.hh"

namespace tl {
namespace {

struct CountersFlags {
  std::string run_folder, kind = "total", interval = "10ms", duration, format = "text";
  bool offered = false;
  std::vector<pid_t> pids;
  std::vector<std::string> netns, containers;
  CounterStreamOptions stream;
};

void bind(CLI::App& app, CountersFlags& flags) {
  app.add_option("WHAT", flags.kind, "total: everything; container: each by itself; port: with -p")
      ->check(CLI::IsMember({"total", "container", "port"}))
      ->capture_default_str();
  app.add_option("-p,--port", flags.stream.ports, "with port: count this port; up to 64 of them")
      ->check(CLI::Range(0, 65535));
  app.add_option("--interval", flags.interval, "width of a bucket, 100us to 1s")
      ->capture_default_str();
  app.add_option("--duration", flags.duration, "end after this time; else at Ctrl-C");
  app.add_option("--format", flags.format, "text, csv or jsonl (docs/counters.md)")
      ->check(CLI::IsMember({"text", "csv", "jsonl"}))
      ->capture_default_str();
  app.add_option("-o,--output", flags.stream.output, "write to this file instead of stdout");
  app.add_flag("--offered", flags.offered,
               "also what was offered to queues, and at the end what drivers refused");
  app.add_option("--pid", flags.pids, "only the network namespace of this process");
  app.add_option("--netns", flags.netns,
                 "only this network namespace: a path, or a name of ip-netns");
  app.add_option("--container", flags.containers, "only this Docker container");
  app.add_option("-i,--interface", flags.stream.interface, "only this device of each namespace");
  app.add_option("--run-folder", flags.run_folder, "serve a run of a lab")
      ->check(CLI::ExistingDirectory)
      ->group("");
  app.footer(
      "Example: trafficlab counters port -p 80 --interval 10ms --duration 1m --format csv\n"
      "Exit code 3 says that rows, buckets or events are missing.");
}

NetNs open_netns(const std::string& text) {
  return NetNs::open(text.find('/') == std::string::npos ? "/run/netns/" + text : text);
}

// The containers that run now, when an engine answers; others keep their namespace's number.
void add_running_containers(std::vector<WatchedNamespace>& points) {
  try {
    DockerApi api{default_docker_host()};
    api.ping(std::chrono::seconds{1});
    for (const DockerContainer& c : api.running())
      points.push_back({c.name, NetNs::of_process(c.pid)});
  } catch (const MachineError&) {
    return;  // no engine: no names
  }
}

std::vector<WatchedNamespace> points_of(const CountersFlags& flags) {
  std::vector<WatchedNamespace> points;
  for (const pid_t pid : flags.pids)
    points.push_back({fmt::format("pid-{}", pid), NetNs::of_process(pid)});
  for (const std::string& text : flags.netns)
    points.push_back({text.substr(text.rfind('/') + 1), open_netns(text)});
  for (const std::string& name : flags.containers)
    points.push_back({name, NetNs::of_process(DockerApi{default_docker_host()}.pid_of(name))});
  return points;
}

}  // namespace

ExitCode command_counters(const Args& args) {
  CLI::App app{"Exact in-kernel traffic counters: RX and TX of every interval",
               "trafficlab counters"};
  CountersFlags flags;
  bind(app, flags);
  if (const auto done = parse(app, args)) return *done;
  if (!flags.run_folder.empty()) return serve_counters(flags.run_folder);
  CounterStreamOptions& stream = flags.stream;
  stream.kind = flags.kind == "total"       ? RowKind::total
                : flags.kind == "container" ? RowKind::container
                                            : RowKind::port;
  stream.format = flags.format == "text"  ? RowFormat::text
                  : flags.format == "csv" ? RowFormat::csv
                                          : RowFormat::jsonl;
  if (stream.kind == RowKind::port && stream.ports.empty())
    throw UsageError{"counters port: which one? (-p 80)"};
  if (stream.kind != RowKind::port && !stream.ports.empty())
    throw UsageError{"counters: -p goes with port (trafficlab counters port -p 80)"};
  stream.ports = distinct_ports(stream.ports);
  stream.offered = flags.offered ? Offered::shown : Offered::left_out;
  stream.interval = parse_duration(flags.interval, "interval");
  if (stream.interval < std::chrono::microseconds{100} || stream.interval > std::chrono::seconds{1})
    throw UsageError{"interval: from 100us to 1s"};
  if (!flags.duration.empty()) stream.duration = parse_duration(flags.duration, "duration");
  require_counter_privileges();
  allow_many_descriptors();  // a namespace takes two, and each of its devices three
  stream.points = points_of(flags);
  stream.only_points = !stream.points.empty() || !stream.interface.empty();
  if (stream.points.empty()) {
    stream.points.push_back({"host", NetNs::current()});
    if (stream.kind == RowKind::container) add_running_containers(stream.points);
  }
  return stream_counters(std::move(stream));
}

}  // namespace tl
