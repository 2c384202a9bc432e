#include <fmt/format.h>

#include "base/messages.hh"
#include "cli/command.hh"
#include "cli/verdict.hh"
#include "compare/comparison_report.hh"
#include "compare/limit.hh"
#include "compare/series_table.hh"
#include "run/series.hh"
#include "spec/parse.hh"
#include "spec/settings.hh"

namespace tl {
namespace {

struct AbFlags {
  std::string a, b, resumed, compose = "compose.yaml", results = "results";
  std::string limit = "5%", confidence = "95%";
  std::vector<std::string> judged;
  std::size_t pairs = 8, warmups = 1;
  bool as_json = false;
};

void bind(CLI::App& app, AbFlags& flags) {
  app.add_option("A", flags.a, "experiment file of the baseline");
  app.add_option("B", flags.b, "experiment file that is judged");
  app.add_option("--pairs", flags.pairs, "how many times both are run, in the order AB BA AB …")
      ->check(CLI::Range(std::size_t{1}, std::size_t{10'000}))
      ->capture_default_str();
  app.add_option("--warmup", flags.warmups, "runs of each before, which do not count")
      ->check(CLI::Range(std::size_t{0}, std::size_t{1000}))
      ->capture_default_str();
  app.add_option("--resume", flags.resumed, "go on with this interrupted series instead");
  app.add_option("--metric", flags.judged,
                 "makes the verdict, others are only shown; repeatable (goodput)");
  app.add_option("--limit", flags.limit, "how much worse is tolerated: 5%, or an amount as 0.2")
      ->capture_default_str();
  app.add_option("--confidence", flags.confidence, "of the verdict")->capture_default_str();
  app.add_option("--compose", flags.compose, "the lab");
  app.add_option("--results", flags.results, "the folder where the bundle lands");
  app.add_flag("--json", flags.as_json, "trafficlab.compare/1 on stdout instead of text");
  app.footer(
      "Example: trafficlab ab before.yaml after.yaml --pairs 8\n"
      "Exit code: 0 B is not worse than A by more than the limit, 1 it is, 3 not shown.");
}

Experiment read_arm_file(const std::string& file) {
  Experiment experiment = parse_experiment(file);
  check(experiment);
  return experiment;
}

SeriesPlan ab_plan(const AbFlags& flags) {
  if (flags.resumed.empty()) {
    if (flags.a.empty() || flags.b.empty())
      throw UsageError{"ab: two experiment files are needed (A and B), or --resume"};
    SeriesPlan plan =
        plan_ab(read_arm_file(flags.a), read_arm_file(flags.b), flags.warmups, flags.pairs);
    plan.compose_file = flags.compose;
    return plan;
  }
  if (!flags.a.empty()) throw UsageError{"ab: --resume takes the experiments from its folder"};
  SeriesPlan plan = read_plan(flags.resumed);
  if (plan.kind != "ab")
    throw UsageError{fmt::format("resume {}: use trafficlab run --resume", flags.resumed)};
  return plan;
}

std::map<std::string, std::string> ab_files(const Comparison& c,
                                            const std::filesystem::path& series) {
  return {{"comparison.json", comparison_json(c).dump(1) + "\n"},
          {"comparison.md", comparison_markdown(c)},
          {"runs.csv", series_tables(series).csv}};
}

}  // namespace

ExitCode command_ab(const Args& args) {
  CLI::App app{"Runs two experiments in alternation and judges the second by the first",
               "trafficlab ab"};
  AbFlags flags;
  bind(app, flags);
  if (const auto done = parse(app, args)) return *done;
  ComparisonOptions options;
  if (!flags.judged.empty()) options.judged = flags.judged;
  options.limit = parse_limit(flags.limit);
  options.confidence = parse_confidence(flags.confidence);
  options.is_paired = options.is_experiment_free = true;

  SeriesRequest request;
  request.plan = ab_plan(flags);
  request.results = flags.results;
  request.resumed = flags.resumed;
  request.argv = {"trafficlab", "ab"};
  request.argv.insert(request.argv.end(), args.begin(), args.end());
  std::optional<Comparison> comparison;
  request.conclude = [&](const std::filesystem::path& series) {
    comparison = compare(read_arm(series, "a"), read_arm(series, "b"), options);
    return ab_files(*comparison, series);
  };
  StopSignals stop;
  Progress progress{stderr};
  const RunReport report = run_series(std::move(request), stop, progress);
  print_message("{}bundle: {}\n", report.summary, report.bundle.native());
  if (!comparison) return report.outcome.exit_code;
  if (flags.as_json)
    fmt::print("{}\n", comparison_json(*comparison).dump(1));
  else
    fmt::print("{}", comparison_text(*comparison));
  return exit_code_of(comparison->verdict);
}

}  // namespace tl
