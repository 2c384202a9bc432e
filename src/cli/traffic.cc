#include "probe/traffic.hh"

#include "cli/command.hh"
#include "probe/iperf.hh"

namespace tl {

ExitCode command_traffic(const Args& args) {
  // Everything after "iperf" and "check" is iperf3's own, so it is taken before our parser sees it.
  if (!args.empty() && args[0] == "iperf")
    return static_cast<ExitCode>(run_iperf({args.begin() + 1, args.end()}));
  if (!args.empty() && args[0] == "check") {
    check_iperf_options({args.begin() + 1, args.end()});
    return ExitCode::pass;
  }
  CLI::App app{"iperf3 as a service of a lab, or by itself", "trafficlab traffic"};
  app.footer(
      "trafficlab traffic iperf OPTIONS…   runs iperf3 with its own options (man iperf3)\n"
      "trafficlab traffic check OPTIONS…   only checks them\n"
      "Example: trafficlab traffic iperf --client 127.0.0.1 --time 5 --json");
  app.require_subcommand(1);
  std::string folder;
  CLI::App* server = app.add_subcommand("server", "serve one test of a run");
  CLI::App* client = app.add_subcommand("client", "run one test of a run, once its gate opens");
  for (CLI::App* side : {server, client})
    side->add_option("--run-folder", folder, "the run's folder (bundle/control.hh)")
        ->required()
        ->check(CLI::ExistingDirectory);
  if (const auto done = parse(app, args)) return *done;
  return server->parsed() ? serve_iperf_server(folder) : serve_iperf_client(folder);
}

}  // namespace tl
