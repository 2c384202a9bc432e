#include "cli/command.hh"
#include "probe/capture_agent.hh"

namespace tl {

ExitCode command_capture(const Args& args) {
  CLI::App app{"Live capture with an exact account", "trafficlab capture"};
  app.footer("Example: trafficlab capture --run-folder results/x.partial");
  std::string run_folder;
  app.add_option("--run-folder", run_folder, "serve a run (bundle/control.hh)")
      ->required()
      ->check(CLI::ExistingDirectory);
  if (const auto done = parse(app, args)) return *done;
  return serve_captures(run_folder);
}

}  // namespace tl
