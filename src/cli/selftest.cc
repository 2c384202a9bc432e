#include "run/selftest.hh"

#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "cli/command.hh"

namespace tl {

ExitCode command_selftest(const Args& args) {
  CLI::App app{"Puts faults into runs on purpose and checks that each gets its verdict",
               "trafficlab selftest"};
  std::string footer = "Faults:\n";
  std::vector<std::string> known;
  for (const Fault& fault : faults()) {
    known.emplace_back(fault.name);
    footer += fmt::format("  {:<13} {}\n  {:<13} expected: {}\n", fault.name, fault.what, "",
                          fault.expected);
  }
  app.footer(footer + "Example: trafficlab selftest --inject kill-iperf");
  SelftestRequest request;
  std::vector<std::string> wanted;
  app.add_option("--inject", wanted, "this fault (may stand several times); without it all")
      ->check(CLI::IsMember(known));
  app.add_option("--engine", request.engine, "auto, docker or netns")
      ->check(CLI::IsMember({"auto", "docker", "netns"}))
      ->capture_default_str();
  app.add_option("--compose", request.compose_file, "the lab");
  app.add_option("--results", request.results, "the folder where the bundles land")
      ->capture_default_str();
  if (const auto done = parse(app, args)) return *done;

  StopSignals stop;
  Progress progress{stderr};
  bool is_good = true;
  for (const Fault& fault : faults()) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), fault.name) == wanted.end())
      continue;
    request.fault = fault.name;
    const SelftestResult result = selftest(request, stop, progress);
    is_good = is_good && result.is_as_expected;
    fmt::print("{} {}: {}\n  expected: {}\n  found:    {}\n  bundle:   {}\n",
               result.is_as_expected ? "ok  " : "FAIL", fault.name, fault.what, fault.expected,
               result.found, result.bundle.native());
    std::fflush(stdout);
  }
  return is_good ? ExitCode::pass : ExitCode::check_failed;
}

}  // namespace tl
