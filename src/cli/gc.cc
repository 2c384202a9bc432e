#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/dump_json.hh"
#include "base/messages.hh"
#include "cli/command.hh"
#include "run/clean.hh"

namespace tl {

ExitCode command_gc(const Args& args) {
  CLI::App app{"Removes what dead runs left on this host; a living lab is never touched",
               "trafficlab gc"};
  app.footer("Example: trafficlab gc --json");
  bool as_json = false;
  app.add_flag("--json", as_json, "JSON on stdout");
  if (const auto done = parse(app, args)) return *done;
  const Cleaned cleaned = clean_up();
  if (as_json) {
    fmt::print("{}\n",
               dump_json({{"removed", cleaned.removed}, {"problems", cleaned.problems}}, 1));
  } else {
    for (const std::string& line : cleaned.removed) fmt::print("removed {}\n", line);
    for (const std::string& line : cleaned.problems) print_message("trafficlab: gc: {}\n", line);
  }
  return cleaned.problems.empty() ? ExitCode::pass : ExitCode::machine;
}

}  // namespace tl
