#include "compare/gate.hh"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/fd.hh"
#include "base/messages.hh"
#include "cli/command.hh"
#include "cli/verdict.hh"
#include "compare/gate_report.hh"
#include "compare/slices.hh"

namespace tl {
namespace {

struct GateFlags {
  std::string policy, junit, markdown, evidence = "evidence";
  std::vector<std::string> fresh, base;
  bool is_forced = false, as_json = false, annotate = false, no_evidence = false;
};

void bind(CLI::App& app, GateFlags& flags) {
  app.add_option("BUNDLE", flags.fresh, "runs to judge; of a bundle of --repeat all but warm-ups")
      ->required();
  app.add_option("--policy", flags.policy, "what is judged (docs/gate.md)")->required();
  app.add_option("--baseline", flags.base, "runs of the baseline, for max_worse");
  app.add_option("--junit", flags.junit, "write JUnit XML to this file");
  app.add_option("--summary", flags.markdown,
                 "append Markdown to this file ($GITHUB_STEP_SUMMARY)");
  app.add_flag("--annotations", flags.annotate, "GitHub annotations on stdout");
  app.add_option("--evidence", flags.evidence,
                 "folder for the packets of the worst moments of a failed gate")
      ->capture_default_str();
  app.add_flag("--no-evidence", flags.no_evidence, "write no packets");
  app.add_flag("--force", flags.is_forced, "in spite of blocking differences to the baseline");
  app.add_flag("--json", flags.as_json, "trafficlab.gate/1 on stdout instead of text");
  app.footer(
      "Example: trafficlab gate --policy policy.yaml results/*-new --baseline results/*-old\n"
      "Exit code: 0 pass, 1 fail, 2 wrong policy or unknown metric, 3 inconclusive.");
}

void append(const std::string& file, const std::string& text) {
  const UniqueFd fd = open_fd(file, O_WRONLY | O_CREAT | O_APPEND);
  write_all(fd.get(), text, file);
}

}  // namespace

ExitCode command_gate(const Args& args) {
  CLI::App app{"Judges runs by a policy, for continuous integration", "trafficlab gate"};
  GateFlags flags;
  bind(app, flags);
  if (const auto done = parse(app, args)) return *done;
  const Policy policy = parse_policy(flags.policy);
  const GateReport report =
      apply_policy(policy, read_runs({flags.fresh.begin(), flags.fresh.end()}),
                   read_runs({flags.base.begin(), flags.base.end()}), flags.is_forced);
  if (flags.as_json)
    fmt::print("{}\n", gate_json(report).dump(1));
  else
    fmt::print("{}", gate_text(report));
  if (flags.annotate) fmt::print("{}", gate_annotations(report));
  if (!flags.junit.empty()) write_file_atomic(output_target(flags.junit), gate_junit(report));
  if (!flags.markdown.empty()) append(flags.markdown, gate_markdown(report));
  if (!flags.no_evidence)
    for (const Slice& slice : write_evidence(report, flags.evidence))
      print_message("evidence: {} ({} packets)\n", slice.file.native(), slice.packets);
  return exit_code_of(report.verdict);
}

}  // namespace tl
