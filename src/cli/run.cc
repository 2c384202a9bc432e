#include "run/run.hh"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <random>

#include "base/dump_json.hh"
#include "base/fd.hh"
#include "base/messages.hh"
#include "cli/command.hh"
#include "cli/publish_options.hh"
#include "compare/series_table.hh"
#include "run/series.hh"
#include "spec/parse.hh"
#include "spec/settings.hh"

namespace tl {
namespace {

// What the command line says, before it is read over the experiment file.
struct RunFlags {
  std::vector<std::pair<const Setting*, std::string>> given;
  std::string input, resumed, compose = "compose.yaml", results = "results";
  std::size_t repeat = 1, warmups = 1;
  std::optional<std::uint64_t> seed;
  bool as_json = false;
};

Sweep resolve(const RunFlags& flags, const Args& iperf_options) {
  Sweep sweep;
  if (!flags.input.empty()) {
    const std::filesystem::path input{flags.input};
    sweep = parse_sweep(std::filesystem::is_directory(input) ? input / "experiment.yaml" : input);
  }
  for (const auto& [setting, text] : flags.given) {
    for (const Axis& axis : sweep.axes)
      if (axis.path == setting->path)
        throw UsageError{fmt::format("{}: the matrix varies {}", setting->flag, axis.path)};
    setting->set(sweep.base, text);
  }
  if (!iperf_options.empty()) sweep.base.iperf_options = iperf_options;
  if (sweep.axes.empty()) check(sweep.base);
  return sweep;
}

SeriesPlan run_plan(const RunFlags& flags, const Sweep& sweep) {
  if (flags.resumed.empty()) {
    SeriesPlan plan =
        plan_sweep(sweep, flags.warmups, flags.repeat, flags.seed.value_or(std::random_device{}()));
    plan.compose_file = flags.compose;
    return plan;
  }
  if (!flags.input.empty() || !flags.given.empty())
    throw UsageError{"run: --resume takes the experiment from its folder"};
  SeriesPlan plan = read_plan(flags.resumed);
  if (plan.kind == "ab")
    throw UsageError{fmt::format("resume {}: use trafficlab ab --resume", flags.resumed)};
  return plan;
}

RunReport execute(const RunFlags& flags, const Sweep& sweep, const Args& args, StopSignals& stop,
                  Progress& progress) {
  Argv argv{"trafficlab", "run"};
  argv.insert(argv.end(), args.begin(), args.end());
  if (flags.resumed.empty() && flags.repeat == 1 && sweep.axes.empty())
    return run_experiment({sweep.base, flags.compose, flags.results, std::move(argv)}, stop,
                          progress);
  SeriesRequest request{run_plan(flags, sweep), flags.results, flags.resumed, std::move(argv),
                        [](const std::filesystem::path& series) {
                          SeriesTables tables = series_tables(series);
                          return std::map<std::string, std::string>{
                              {"runs.csv", std::move(tables.csv)},
                              {"runs.md", std::move(tables.markdown)}};
                        }};
  return run_series(std::move(request), stop, progress);
}

}  // namespace

ExitCode command_run(const Args& args) {
  CLI::App app{"Brings a lab up, runs the timed traffic test, leaves a bundle", "trafficlab run"};
  app.footer(
      "Words after -- go to the iperf3 client as they are.\n"
      "Example: trafficlab run --duration 10s --parallel 4 -- --congestion reno");
  RunFlags flags;
  app.add_option("SPEC", flags.input, "experiment file, or a bundle to repeat");
  for (const Setting& setting : settings()) {
    const auto take = [&flags, &setting](const std::string& text) {
      flags.given.emplace_back(&setting, text);
    };
    if (setting.path == "traffic.reverse")
      app.add_flag(std::string{setting.flag})
          ->description("the server sends; --reverse=false: the client does")
          ->each(take);
    else
      app.add_option_function<std::string>(std::string{setting.flag}, take,
                                           std::string{setting.help});
  }
  // The last one counts: run_traffic_analysis.sh gives both, and hands on those of its caller.
  app.add_option("--compose", flags.compose, "the lab")->take_last();
  app.add_option("--results", flags.results, "the folder where bundles land")->take_last();
  app.add_option("--repeat", flags.repeat, "so many runs, of a matrix of each combination")
      ->check(CLI::Range(std::size_t{1}, std::size_t{10'000}));
  app.add_option("--warmup", flags.warmups,
                 "of several runs: so many before, kept but never counted (1)")
      ->check(CLI::Range(std::size_t{0}, std::size_t{1000}));
  app.add_option("--seed", flags.seed, "of the order of a matrix; chosen and recorded when absent");
  app.add_option("--resume", flags.resumed, "go on with this interrupted series instead");
  app.add_flag("--json", flags.as_json,
               "bundle path and outcome (verdict, exit code, phase, reason) as JSON on stdout; the "
               "summary stays on stderr");
  PublishOptions publishing{app};
  const auto split = std::find(args.begin(), args.end(), "--");
  if (const auto done = parse(app, {args.begin(), split})) return *done;
  const Args iperf_options{split == args.end() ? split : split + 1, args.end()};

  publishing.check();
  StopSignals stop;
  Progress progress{stderr};
  const RunReport report = execute(flags, resolve(flags, iperf_options), args, stop, progress);
  print_message("{}", report.summary);
  if (flags.as_json)
    fmt::print("{}\n",
               dump_json({{"bundle", report.bundle.native()}, {"outcome", report.outcome}}, 1));
  else
    fmt::print("{}\n", report.bundle.native());
  if (report.outcome.exit_code == ExitCode::interrupted) return ExitCode::interrupted;
  const bool arrived = publishing.publish(report.bundle);
  return arrived || report.outcome.exit_code != ExitCode::pass ? report.outcome.exit_code
                                                               : ExitCode::machine;
}

}  // namespace tl
