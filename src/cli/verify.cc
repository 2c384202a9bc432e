#include <fmt/format.h>

#include <algorithm>

#include "analysis/findings.hh"
#include "base/errors.hh"
#include "base/fd.hh"
#include "base/messages.hh"
#include "bundle/manifest.hh"
#include "cli/command.hh"
#include "compare/series_table.hh"

namespace tl {
namespace {

// When the traffic was, as the run's manifest says. That of a run that was killed does not.
TrafficWindow traffic_window_of(const std::filesystem::path& bundle) {
  const nlohmann::json manifest = read_manifest(bundle);
  try {
    const nlohmann::json& window = manifest.at("traffic_window");
    return {window.at("start_ns").get<std::int64_t>(), window.at("end_ns").get<std::int64_t>()};
  } catch (const nlohmann::json::exception&) {
    throw MeasurementError{
        fmt::format("recompute {}: its manifest has no traffic_window (the run did not come to "
                    "its end)",
                    bundle.native())};
  }
}

// The derived documents that are not what the evidence gives now, one line each.
std::vector<std::string> recompute(const std::filesystem::path& bundle) {
  const Findings findings = find(bundle, traffic_window_of(bundle));
  std::map<std::string, std::string> documents = findings.files;
  documents["summary.json"] = summary_text(findings);
  std::vector<std::string> lines;
  for (const auto& [path, text] : documents) {
    if (!std::filesystem::is_regular_file(bundle / path))
      lines.push_back(path + ": missing");
    else if (read_file(bundle / path) != text)
      lines.push_back(path + ": differs from what the evidence gives");
  }
  for (const std::string& problem : findings.problems) lines.push_back("problem: " + problem);
  return lines;
}

// The tables of a series, which its runs' metrics make.
std::vector<std::string> recompute_tables(const std::filesystem::path& series) {
  const SeriesTables tables = series_tables(series);
  std::vector<std::string> lines;
  for (const auto& [name, text] : {std::pair{"runs.csv", tables.csv}, {"runs.md", tables.markdown}})
    if (std::filesystem::exists(series / name) && read_file(series / name) != text)
      lines.push_back(std::string{name} + ": differs from what the runs give");
  return lines;
}

ExitCode tell(const std::string& bundle, const std::vector<std::string>& lines, const char* good) {
  for (const std::string& line : lines) fmt::print("{}\n", line);
  if (lines.empty()) print_message("{}: {}\n", bundle, good);
  return lines.empty() ? ExitCode::pass : ExitCode::check_failed;
}

}  // namespace

ExitCode command_verify(const Args& args) {
  CLI::App app{"Whether a bundle is as its run left it: every file against its checksum",
               "trafficlab verify"};
  app.footer("Example: trafficlab verify results/20260131T120000Z-run");
  std::string bundle;
  app.add_option("BUNDLE", bundle, "folder of a run")->required();
  if (const auto done = parse(app, args)) return *done;
  return tell(bundle, verify_bundle(bundle), "every file is as the run left it");
}

ExitCode command_recompute(const Args& args) {
  CLI::App app{
      "Derives every number of a bundle again from its evidence, and compares them bit by bit",
      "trafficlab recompute"};
  app.footer("Example: trafficlab recompute results/20260131T120000Z-run");
  std::string bundle;
  app.add_option("BUNDLE", bundle, "folder of a run")->required();
  if (const auto done = parse(app, args)) return *done;
  const nlohmann::json manifest = read_manifest(bundle);
  std::vector<std::string> lines;
  if (!manifest.contains("runs")) {
    lines = recompute(bundle);
  } else {
    lines = recompute_tables(bundle);
    for (const nlohmann::json& run : manifest.at("runs"))
      for (const std::string& line : recompute(run_of_series(bundle, run)))
        lines.push_back(run.at("bundle").get<std::string>() + ": " + line);
  }
  return tell(bundle, lines, "every derived number comes out the same");
}

}  // namespace tl
