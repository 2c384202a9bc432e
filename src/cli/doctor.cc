#include "run/doctor.hh"

#include <fmt/format.h>

#include "base/version.hh"
#include "cli/command.hh"
#include "spec/settings.hh"

namespace tl {

ExitCode command_doctor(const Args& args) {
  CLI::App app{"Shows whether this machine can do the main job, and what to do when it cannot",
               "trafficlab doctor"};
  app.footer(
      "Example: trafficlab doctor --engine netns --json\nExit code 0 when the main job can run, 4 "
      "when not.");
  DoctorRequest request;
  bool as_json = false;
  std::string results = "results";
  app.add_option("--engine", request.experiment.engine, "auto, docker or netns")
      ->check(CLI::IsMember({"auto", "docker", "netns"}));
  app.add_option("--results", results, "the folder where bundles land");
  app.add_flag("--json", as_json, "JSON on stdout");
  if (const auto done = parse(app, args)) return *done;
  request.results = results;
  const std::vector<Check> checks = examine(request);
  const bool can_run = first_missing(checks).empty();
  if (as_json) {
    fmt::print(
        "{}\n",
        nlohmann::json{{"version", kVersion}, {"can_run", can_run}, {"checks", checks}}.dump(1));
  } else {
    for (const Check& c : checks) {
      const nlohmann::json row = c;
      fmt::print("{:<8} {:<14} {}\n", row.at("state").get<std::string>(), c.name, c.detail);
      if (!c.fix.empty()) fmt::print("{:23} → {}\n", "", c.fix);
    }
  }
  return can_run ? ExitCode::pass : ExitCode::machine;
}

}  // namespace tl
