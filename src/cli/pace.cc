#include <fmt/format.h>

#include <cstdio>

#include "base/fd.hh"
#include "base/signals.hh"
#include "base/units.hh"
#include "cli/command.hh"
#include "pace/pace_run.hh"

namespace tl {
namespace {

using pace::PaceConfig;
using pace::PaceMode;

struct Flags {
  std::string config_file, url, csv, samples, report, time;
  std::string interval, shortest, longest, duration;
  std::vector<std::string> metrics;
  bool extended = false;
};

void bind(CLI::App& app, Flags& f, PaceMode mode) {
  app.add_option("--config", f.config_file, "YAML file (docs/pace.md)")->check(CLI::ExistingFile);
  app.add_option("--url", f.url, "of Prometheus (default http://127.0.0.1:9090)");
  app.add_option("--metric", f.metrics, "PromQL expression (may stand several times)");
  app.add_option("--interval", f.interval, "of fixed polls (default 15s)");
  app.add_option("--duration", f.duration, "ends after this time; default: Ctrl-C ends it");
  app.add_option("--csv", f.csv, "append the log to this file; default: stdout");
  app.add_flag("--extended", f.extended, "more columns in the log");
  app.add_option("--time", f.time, "timestamps of the log: local (default), utc, iso");
  app.add_option("--report", f.report, "write the report as JSON to this file");
  if (mode == PaceMode::baseline) {
    app.footer(
        "Polls each metric at its fixed interval and logs what that cost.\n"
        "Example: trafficlab pace baseline --metric up --metric "
        "'rate(node_cpu_seconds_total[1m])'");
    return;
  }
  app.add_option("--min", f.shortest, "shortest interval (default 1s)");
  app.add_option("--max", f.longest, "longest interval (default 120s)");
  app.add_option("--samples", f.samples, "keep every stored sample, exactly once, in this file");
  app.footer(
      "Polls each metric when it has probably changed. The report on stderr compares with fixed\n"
      "polling for the same bytes.\n"
      "Example: trafficlab pace adaptive --metric node_load1 --duration 10m --csv pace.csv");
}

PaceConfig configuration(const Flags& f) {
  PaceConfig c = f.config_file.empty() ? PaceConfig{} : pace::read_pace_config(f.config_file);
  if (!f.url.empty()) c.prometheus.url = f.url;
  if (!f.metrics.empty()) c.metrics.clear();
  for (const std::string& metric : f.metrics)
    c.metrics.push_back({metric, std::chrono::nanoseconds{0}});
  const auto set = [](const std::string& text, const char* flag, std::chrono::nanoseconds& to) {
    if (!text.empty()) to = parse_duration(text, flag);
  };
  set(f.interval, "--interval", c.interval);
  set(f.shortest, "--min", c.limits.shortest);
  set(f.longest, "--max", c.limits.longest);
  if (!f.csv.empty()) c.csv = f.csv;
  if (!f.samples.empty()) c.samples = f.samples;
  if (f.extended) c.style.extended = true;
  if (!f.time.empty()) c.style.time = pace::parse_time_style(f.time);
  pace::check_pace_config(c);
  return c;
}

ExitCode poll(const Args& args, PaceMode mode) {
  const char* const name = mode == PaceMode::baseline ? "baseline" : "adaptive";
  CLI::App app{"Polls metrics of Prometheus and logs what that cost",
               fmt::format("trafficlab pace {}", name)};
  Flags flags;
  bind(app, flags, mode);
  if (const auto done = parse(app, args)) return *done;
  const PaceConfig config = configuration(flags);
  std::optional<std::chrono::nanoseconds> duration;
  if (!flags.duration.empty()) duration = parse_duration(flags.duration, "--duration");
  StopSignals stop;
  const pace::PaceReport report = pace::run_pace(config, mode, duration, stop.fd());
  fmt::print(stderr, "{}", pace::report_text(report));
  if (!flags.report.empty()) write_file_atomic(flags.report, pace::report_json(report));
  return ExitCode::pass;
}

}  // namespace

ExitCode command_pace(const Args& args) {
  const std::string verb = args.empty() ? "" : args.front();
  if (verb == "baseline") return poll({args.begin() + 1, args.end()}, PaceMode::baseline);
  if (verb == "adaptive") return poll({args.begin() + 1, args.end()}, PaceMode::adaptive);
  if (verb == "--help" || verb == "-h") {
    fmt::print(
        "Usage: trafficlab pace VERB [OPTIONS]\n\n"
        "  baseline  poll metrics of Prometheus at fixed intervals, log what that costs\n"
        "  adaptive  the same when they have probably changed\n\n"
        "Example: trafficlab pace baseline --metric up --duration 5m --csv pace.csv\n");
    return ExitCode::pass;
  }
  throw UsageError{fmt::format("pace '{}': expected baseline or adaptive", verb)};
}

}  // namespace tl
