#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "base/clock.hh"
#include "base/messages.hh"
#include "base/signals.hh"
#include "base/units.hh"
#include "cli/command.hh"
#include "live/qos_probes.hh"
#include "live/qos_sinks.hh"
#include "live/supervisor.hh"

namespace tl {
namespace {

using live::QosConfig;
using live::QosRow;

struct QosFlags {
  std::string config_file, every, influx_url, database, spool, csv, listen;
  live::TargetWords target;
  bool compatible = false, once = false, json = false, quiet = false;
  std::string probe;  // internal: this process is one of the supervised three
  std::int64_t origin_ns = 0;
};

void bind(CLI::App& app, QosFlags& f) {
  app.footer(
      "Probes each target every 60 s until Ctrl-C. Tokens and passwords come from a file or the\n"
      "environment (INFLUXDB_TOKEN, INFLUXDB_PASSWORD), never from the command line.\n"
      "Example: trafficlab qos --ping 198.18.0.2 --iperf 198.18.0.2 --http http://198.18.0.2/ \\\n"
      "           --influx-url http://127.0.0.1:8086 --database lab --spool /var/lib/qos\n"
      "         trafficlab qos --config qos.yaml --once");
  app.add_option("--config", f.config_file, "YAML file")->check(CLI::ExistingFile);
  app.add_option("--ping", f.target.ping, "HOST to ping");
  app.add_option("--iperf", f.target.iperf, "HOST[:PORT] of an iperf3 server");
  app.add_option("--http", f.target.http, "URL to get, download and upload to");
  app.add_option("--every", f.every, "from start to start of a round (default 60s)");
  app.add_option("--influx-url", f.influx_url, "write to this InfluxDB");
  app.add_option("--database", f.database, "its database (v1, v3)");
  app.add_option("--spool", f.spool, "folder that keeps points until they are delivered");
  app.add_option("--csv", f.csv, "append rows to this file");
  app.add_option("--listen", f.listen, "serve /metrics at ADDRESS:PORT");
  app.add_flag("--compat", f.compatible, "0 for what could not be measured, as the old tool wrote");
  app.add_flag("--once", f.once, "one round of each probe, one after the other");
  app.add_flag("--json", f.json, "rows on stdout as JSON lines");
  app.add_flag("--quiet", f.quiet, "no rows on stdout");
  app.add_option("--probe", f.probe)->group("");
  app.add_option("--origin", f.origin_ns)->group("");
}

QosConfig configuration(const QosFlags& f) {
  QosConfig c = f.config_file.empty() ? QosConfig{} : live::read_qos_config(f.config_file);
  // Before the environment, whose database and token belong to the URL of a flag as well.
  if (!(f.influx_url + f.database + f.spool).empty() && !c.influx) c.influx.emplace();
  live::apply_environment(c, live::process_environment);
  live::TargetWords target = f.target;
  live::complete_from_environment(target, live::process_environment);
  live::apply_target(c, target);
  if (!f.every.empty())
    c.every_ping = c.every_http = c.every_iperf =
        std::chrono::ceil<std::chrono::milliseconds>(parse_duration(f.every, "--every"));
  if (!f.influx_url.empty()) c.influx->target.url = f.influx_url;
  if (!f.database.empty()) c.influx->target.database = f.database;
  if (!f.spool.empty()) c.influx->spool = f.spool;
  if (!f.csv.empty()) c.csv = f.csv;
  if (!f.listen.empty()) live::parse_listen(f.listen, c.listen.emplace());
  if (f.compatible) c.style = live::FailureStyle::compatible;
  live::check_qos_config(c);
  return c;
}

live::RowText row_text(const QosFlags& f) {
  if (f.quiet) return live::RowText::none;
  return f.json ? live::RowText::json : live::RowText::text;
}

void say(const std::string& text) { print_message("trafficlab qos: {}\n", text); }

void finish(live::QosSinks& sinks) {
  if (const auto account = sinks.stop(std::chrono::seconds{5})) say(*account);
}

ExitCode run_once(const QosConfig& config, const QosFlags& flags) {
  live::QosSinks sinks{config, row_text(flags)};
  bool all_good = true;
  for (const char* probe : live::kQosProbes)
    live::run_round(config, probe, [&](const QosRow& row) {
      all_good = all_good && row.success;
      sinks.take(row);
    });
  finish(sinks);
  return all_good ? ExitCode::pass : ExitCode::traffic;
}

std::vector<live::SupervisedProcess> processes(const QosConfig& config, const Args& args) {
  std::vector<live::SupervisedProcess> result;
  const std::string origin = std::to_string(monotonic_ns());
  for (const char* probe : live::kQosProbes) {
    if (live::targets_of(config, probe).empty()) continue;
    Argv argv{"/proc/self/exe", "qos"};
    argv.insert(argv.end(), args.begin(), args.end());
    argv.insert(argv.end(), {"--probe", probe, "--origin", origin});
    result.push_back({probe, std::move(argv)});
  }
  return result;
}

ExitCode run_forever(const QosConfig& config, const QosFlags& flags, const Args& args) {
  StopSignals stop;
  live::QosSinks sinks{config, row_text(flags)};
  if (const auto url = sinks.metrics_url()) say(*url);
  const auto take_line = [&](const std::string& name, const std::string& line) {
    if (const auto row = live::parse_row(line)) {
      sinks.take(*row);
    } else {
      say(fmt::format("{}: not a row: {}", name, line));
    }
  };
  live::Supervisor supervisor{processes(config, args), {}, take_line, say};
  for (const char* probe : live::kQosProbes) {
    const auto names = live::targets_of(config, probe);
    if (!names.empty())
      say(fmt::format("{}: every {}: {}", probe, format_duration(live::interval_of(config, probe)),
                      fmt::join(names, ", ")));
  }
  supervisor.run(stop.fd());
  say("stopping");
  supervisor.stop(std::chrono::seconds{3});
  finish(sinks);
  return ExitCode::pass;
}

}  // namespace

ExitCode command_qos(const Args& args) {
  CLI::App app{"ping, iperf and HTTP probes to InfluxDB, CSV and Prometheus", "trafficlab qos"};
  QosFlags flags;
  bind(app, flags);
  if (const auto done = parse(app, args)) return *done;
  const QosConfig config = configuration(flags);
  if (!flags.probe.empty()) {
    live::serve_probe(config, flags.probe, flags.origin_ns);
    return ExitCode::pass;
  }
  return flags.once ? run_once(config, flags) : run_forever(config, flags, args);
}

}  // namespace tl
