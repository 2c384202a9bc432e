#include "support/made_runs.hh"

#include <fstream>

#include "bundle/manifest.hh"
#include "spec/parse.hh"

namespace tl::test {
namespace {

using nlohmann::json;

json metric(const char* name, const char* unit, const char* better, json value) {
  const bool is_measured = !value.is_null();
  return {{"name", name},
          {"unit", unit},
          {"direction", "client_to_server"},
          {"better", better},
          {"value", std::move(value)},
          {"reason", is_measured ? json() : json("iperf left no complete result")},
          {"definition", "made by hand"}};
}

}  // namespace

std::filesystem::path make_run(const std::filesystem::path& folder, const MadeRun& run) {
  std::filesystem::create_directories(folder);
  const json metrics{
      metric("goodput", "bit/s", "higher", run.has_goodput ? json(run.goodput) : json()),
      metric("longest_stall", "s", "lower", run.longest_stall),
      metric("rate_p99", "bit/s", "neither", run.goodput * 1.1)};
  std::ofstream{folder / "metrics.json"}
      << json{{"schema", "trafficlab.metrics/1"}, {"metrics", metrics}}.dump(1);
  json manifest{{"schema", kBundleSchema},
                {"outcome",
                 {{"verdict", "pass"}, {"exit_code", 0}, {"phase", "report"}, {"reason", nullptr}}},
                {"started", "2026-11-18T11:06:40.000000000Z"},
                {"run_id", folder.filename().native()},
                {"argv", {"trafficlab", "run"}},
                {"experiment", write_experiment({})},
                {"engine", {{"name", "netns"}, {"facts", {{"subnet", "198.18.0.0/28"}}}}},
                {"host",
                 {{"kernel", {{"release", "6.1.0"}, {"machine", "x86_64"}}},
                  {"cpu", {{"model", "made"}, {"online", 2}}}}},
                {"versions", {{"trafficlab", "0.1.0"}, {"iperf", "iperf 3.12"}}},
                {"agents",
                 {{"environment",
                   {{"iperf-client",
                     {{"devices", {{"eth0", {{"mtu", 1500}, {"qdisc", "noqueue"}}}}},
                      {"sysctls", {{"net.ipv4.tcp_congestion_control", "cubic"}}}}}}}}}};
  manifest.merge_patch(run.changes);
  write_manifest(folder, std::move(manifest));
  return folder;
}

std::vector<std::filesystem::path> make_runs(const std::filesystem::path& root,
                                             const std::string& name,
                                             const std::vector<double>& goodputs,
                                             const MadeRun& like) {
  std::vector<std::filesystem::path> paths;
  for (const double goodput : goodputs) {
    MadeRun run = like;
    run.goodput = goodput;
    paths.push_back(make_run(root / (name + "-" + std::to_string(paths.size())), run));
  }
  return paths;
}

}  // namespace tl::test
