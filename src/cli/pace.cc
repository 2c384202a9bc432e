#include <fmt/format.h>

#include <cstdio>

#include "base/clock.hh"
#include "base/fd.hh"
#include "base/messages.hh"
#include "base/signals.hh"
#include "base/units.hh"
#include "cli/command.hh"
#include "pace/pace_run.hh"
#include "pace/scrape_run.hh"

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
  print_message("{}", pace::report_text(report));
  if (!flags.report.empty())
    write_file_atomic(output_target(flags.report), pace::report_json(report));
  pace::check_answers(report, config.prometheus.url);
  return ExitCode::pass;
}

std::chrono::milliseconds whole_milliseconds(const std::string& text, const char* flag) {
  return std::chrono::ceil<std::chrono::milliseconds>(parse_duration(text, flag));
}

ExitCode scrape(const Args& args) {
  CLI::App app{"Lets the scrape intervals of Prometheus' jobs follow what their metrics do",
               "trafficlab pace scrape"};
  app.footer(
      "Halves a job's scrape_interval when a metric moves between most scrapes, doubles it when "
      "none\n"
      "moves. Edits these values in prometheus.yml, checks with promtool, reloads, takes a "
      "refused\n"
      "edit back. Prometheus needs --web.enable-lifecycle.\n"
      "Example: trafficlab pace scrape --prometheus-yml /etc/prometheus/prometheus.yml --job node "
      "\\\n"
      "           --metric node_load1 --dry-run");
  Flags f;
  std::string file, between, least = "5s", most = "120s";
  std::vector<std::string> jobs;
  pace::ScrapePlan plan;
  app.add_option("--config", f.config_file, "YAML file (docs/pace.md)")->check(CLI::ExistingFile);
  app.add_option("--url", f.url, "of Prometheus (default http://127.0.0.1:9090)");
  app.add_option("--metric", f.metrics, "selector to watch (may stand several times)");
  app.add_option("--prometheus-yml", file, "the file that this Prometheus has loaded")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--job", jobs, "job to pace (may stand several times)")->required();
  app.add_option("--min", least, "shortest scrape interval")->capture_default_str();
  app.add_option("--max", most, "longest; never over 120s or look-back / 2.5")
      ->capture_default_str();
  app.add_option("--between", between, "at least so long between two reloads (default 60s)");
  app.add_option("--move", plan.limits.move_percent,
                 "percent by which a value must change to count")
      ->capture_default_str();
  app.add_option("--duration", f.duration, "ends after this time; default: Ctrl-C ends it");
  app.add_flag("--dry-run", plan.dry_run, "say what would be changed");
  if (const auto done = parse(app, args)) return *done;
  const PaceConfig config = configuration(f);
  plan.jobs = {jobs.begin(), jobs.end()};
  plan.limits.shortest = whole_milliseconds(least, "--min");
  plan.limits.longest = whole_milliseconds(most, "--max");
  if (!between.empty()) plan.between_reloads = parse_duration(between, "--between");
  std::optional<std::chrono::nanoseconds> duration;
  if (!f.duration.empty()) duration = parse_duration(f.duration, "--duration");
  StopSignals stop;
  const auto say = [](const std::string& line) {
    fmt::print("{} {}\n", utc_iso(realtime_ns()), line);
    std::fflush(stdout);
  };
  const auto reloads = pace::run_scrape_pacing(config, plan, file, duration, stop.fd(), say);
  print_message("trafficlab pace scrape: {} reloads\n", reloads);
  return ExitCode::pass;
}

}  // namespace

ExitCode command_pace(const Args& args) {
  const std::string verb = args.empty() ? "" : args.front();
  if (verb == "baseline") return poll({args.begin() + 1, args.end()}, PaceMode::baseline);
  if (verb == "adaptive") return poll({args.begin() + 1, args.end()}, PaceMode::adaptive);
  if (verb == "scrape") return scrape({args.begin() + 1, args.end()});
  if (verb == "--help" || verb == "-h") {
    fmt::print(
        "Usage: trafficlab pace VERB [OPTIONS]\n\n"
        "  baseline  poll metrics of Prometheus at fixed intervals, log what that costs\n"
        "  adaptive  the same when they have probably changed\n"
        "  scrape    let Prometheus' own scrape intervals follow its metrics\n\n"
        "Example: trafficlab pace baseline --metric up --duration 5m --csv pace.csv\n");
    return ExitCode::pass;
  }
  throw UsageError{fmt::format("pace '{}': expected baseline, adaptive or scrape", verb)};
}

}  // namespace tl
