#include <fmt/format.h>

#include "analysis/run_diff_report.hh"
#include "base/fd.hh"
#include "cli/command.hh"
#include "cli/pcap.hh"
#include "cli/verdict.hh"
#include "compare/comparison_report.hh"
#include "compare/limit.hh"
#include "report/plot_svg.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;

struct CompareFlags {
  std::vector<std::string> fresh, base, judged;
  std::string limit = "5%", confidence = "95%", plot;
  bool is_forced = false, as_json = false, as_markdown = false, as_csv = false, no_captures = false;
};

void bind(CLI::App& app, CompareFlags& flags) {
  app.add_option("BUNDLE", flags.fresh, "runs to judge; of a bundle of --repeat all but warm-ups")
      ->required();
  app.add_option("--against", flags.base, "runs of the baseline")->required();
  app.add_option("--metric", flags.judged,
                 "makes the verdict, others are only shown; repeatable (goodput)");
  app.add_option("--limit", flags.limit, "how much worse is tolerated: 5%, or an amount as 0.2")
      ->capture_default_str();
  app.add_option("--confidence", flags.confidence, "of the verdict")->capture_default_str();
  app.add_flag("--force", flags.is_forced, "in spite of blocking differences; recorded");
  app.add_option("--plot", flags.plot,
                 "write an SVG: what the first runs of both sides received, one over the other");
  app.add_flag("--no-captures", flags.no_captures, "leave the captures unread");
  auto* as_json = app.add_flag("--json", flags.as_json, "trafficlab.compare/1");
  auto* as_csv = app.add_flag("--csv", flags.as_csv, "one line a metric")->excludes(as_json);
  app.add_flag("--markdown", flags.as_markdown, "tables for a page")
      ->excludes(as_json)
      ->excludes(as_csv);
  app.footer(
      "Example: trafficlab compare results/*-new --against results/*-old\n"
      "Exit code: 0 not worse, 1 worse, 3 not shown or not comparable.");
}

// The captures of a service that the first run of both sides has.
struct CapturePairOfRuns {
  std::string service;
  std::array<std::string, 2> paths;  // baseline, now
};

std::vector<CapturePairOfRuns> captures_of(const Comparison& c) {
  std::vector<CapturePairOfRuns> pairs;
  const fs::path folder = c.base.front().bundle / "captures";
  if (c.metrics.empty() || !fs::is_directory(folder)) return pairs;
  for (const fs::directory_entry& entry : fs::directory_iterator{folder}) {
    const fs::path other = c.fresh.front().bundle / "captures" / entry.path().filename();
    if (entry.path().extension() == ".pcap" && fs::is_regular_file(other))
      pairs.push_back({entry.path().stem().native(), {entry.path().native(), other.native()}});
  }
  std::sort(pairs.begin(), pairs.end(),
            [](const auto& a, const auto& b) { return a.service < b.service; });
  return pairs;
}

std::string capture_diff(const CapturePairOfRuns& pair, ReportForm form) {
  RunDiffOptions options;
  options.ignore_client_port = true;  // chosen anew in every run
  std::string text;
  write_run_diff([&](std::string_view piece) { text += piece; }, form,
                 compare_runs(pair.paths, options), {});
  return text;
}

OverlaidRun overlaid_run(const MeasuredRun& run) {
  const nlohmann::json window = run.manifest.value("traffic_window", nlohmann::json::object());
  return {read_timeline(run.bundle / "counters/container.csv"),
          window.value("start_ns", std::int64_t{0})};
}

std::string overlay_of(const Comparison& c) {
  const MeasuredRun &base = c.base.front(), &fresh = c.fresh.front();
  return overlay_svg(
      overlaid_run(base), overlaid_run(fresh),
      fmt::format("{} over {}", fresh.bundle.filename().native(), base.bundle.filename().native()));
}

void print(const CompareFlags& flags, const Comparison& c) {
  if (flags.as_csv) return fmt::print("{}", comparison_csv(c));
  const auto pairs = flags.no_captures ? std::vector<CapturePairOfRuns>{} : captures_of(c);
  if (flags.as_json) {
    nlohmann::ordered_json document = comparison_json(c);
    document["captures"] = nlohmann::ordered_json::object();
    for (const CapturePairOfRuns& pair : pairs)
      document["captures"][pair.service] =
          nlohmann::ordered_json::parse("{" + capture_diff(pair, ReportForm::json) + "}");
    return fmt::print("{}\n", document.dump(1));
  }
  fmt::print("{}", flags.as_markdown ? comparison_markdown(c) : comparison_text(c));
  for (const CapturePairOfRuns& pair : pairs) {
    const std::string diff = capture_diff(pair, ReportForm::text);
    if (flags.as_markdown)
      fmt::print("\n<details><summary>captures of {}</summary>\n\n```\n{}```\n</details>\n",
                 pair.service, diff);
    else
      fmt::print("\ncaptures of {} (first runs; A the baseline, B now)\n{}", pair.service, diff);
  }
}

}  // namespace

ExitCode exit_code_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass:
      return ExitCode::pass;
    case Verdict::fail:
      return ExitCode::check_failed;
    case Verdict::inconclusive:
      return ExitCode::inconclusive;
  }
  return ExitCode::inconclusive;
}

ExitCode command_compare(const Args& args) {
  CLI::App app{"Whether runs are worse than others: comparability, statistics over runs, verdict",
               "trafficlab compare"};
  CompareFlags flags;
  bind(app, flags);
  if (const auto done = parse(app, args)) return *done;
  ComparisonOptions options;
  if (!flags.judged.empty()) options.judged = flags.judged;
  options.limit = parse_limit(flags.limit);
  options.confidence = parse_confidence(flags.confidence);
  options.is_forced = flags.is_forced;
  const Comparison c = compare(read_runs({flags.base.begin(), flags.base.end()}),
                               read_runs({flags.fresh.begin(), flags.fresh.end()}), options);
  print(flags, c);
  if (!flags.plot.empty()) write_file_atomic(output_target(flags.plot), overlay_of(c));
  return exit_code_of(c.verdict);
}

}  // namespace tl
