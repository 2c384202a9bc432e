#include "cli/command.hh"
#include "probe/counters_agent.hh"

namespace tl {

ExitCode command_counters(const Args& args) {
  CLI::App app{"Exact in-kernel traffic counters", "trafficlab counters"};
  app.footer("Example: trafficlab counters --run-folder results/x.partial");
  std::string run_folder;
  app.add_option("--run-folder", run_folder, "serve a run (bundle/control.hh)")
      ->required()
      ->check(CLI::ExistingDirectory);
  if (const auto done = parse(app, args)) return *done;
  return serve_counters(run_folder);
}

}  // namespace tl
