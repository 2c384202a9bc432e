#include "run/series_plan.hh"

#include <fmt/format.h>

#include "base/dump_json.hh"
#include "base/errors.hh"
#include "base/fd.hh"
#include "base/sha256.hh"
#include "spec/parse.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kPlanSchema = "trafficlab.series/1";
constexpr const char* kPlanFile = "series.json";
constexpr const char* kExperimentFile = "experiment.yaml";

std::vector<Arm> arms_of(const Sweep& sweep) {
  std::vector<Arm> arms;
  const std::vector<Cell> all = cells(sweep);
  for (const Cell& cell : all)
    arms.push_back({cell.values.empty() ? "" : fmt::format("{:02}", arms.size() + 1), cell.values,
                    cell.experiment});
  return arms;
}

std::vector<Turn> turns_from(const json& list) {
  std::vector<Turn> turns;
  for (const json& t : list)
    turns.push_back({t.at("arm").get<std::size_t>(), t.at("round").get<std::size_t>(),
                     t.at("is_warmup").get<bool>()});
  return turns;
}

bool has_ended_series(const json& run) {
  const int code = run.at("exit_code").get<int>();
  return code != static_cast<int>(ExitCode::pass) &&
         code != static_cast<int>(ExitCode::inconclusive);
}

// The input is read again from the bundle's own files; the arms follow from it.
void read_arms(SeriesPlan& plan, const fs::path& folder) {
  if (plan.kind == "ab") {
    for (const char* name : {"a", "b"})
      plan.arms.push_back({name, {}, parse_experiment(folder / (std::string{name} + ".yaml"))});
    plan.name = plan.arms.front().experiment.name;
  } else {
    const Sweep sweep = parse_sweep(folder / kExperimentFile);
    plan.arms = arms_of(sweep);
    plan.name = sweep.base.name;
  }
  for (const Turn& turn : plan.turns)
    if (turn.arm >= plan.arms.size())
      throw UsageError{fmt::format("{}: names an experiment that the input does not have",
                                   (folder / kPlanFile).native())};
}

}  // namespace

SeriesPlan plan_sweep(const Sweep& sweep, std::size_t warmups, std::size_t rounds,
                      std::uint64_t seed) {
  SeriesPlan plan;
  plan.kind = sweep.axes.empty() ? "repeat" : "matrix";
  plan.arms = arms_of(sweep);
  plan.turns = sweep.axes.empty() ? repeated(warmups, rounds)
                                  : randomised(plan.arms.size(), warmups, rounds, seed);
  plan.seed = seed;
  plan.name = sweep.base.name;
  plan.files = {{kExperimentFile, write_sweep(sweep)}};
  return plan;
}

SeriesPlan plan_ab(const Experiment& a, const Experiment& b, std::size_t warmups,
                   std::size_t pairs) {
  SeriesPlan plan;
  plan.kind = "ab";
  plan.arms = {{"a", {}, a}, {"b", {}, b}};
  plan.turns = alternating(warmups, pairs);
  plan.name = a.name;
  plan.files = {{"a.yaml", write_experiment(a)}, {"b.yaml", write_experiment(b)}};
  return plan;
}

void write_plan(const SeriesPlan& plan, const fs::path& folder) {
  json turns = json::array();
  for (const Turn& t : plan.turns)
    turns.push_back({{"arm", t.arm}, {"round", t.round}, {"is_warmup", t.is_warmup}});
  const json document{{"schema", kPlanSchema},
                      {"kind", plan.kind},
                      {"seed", plan.seed},
                      {"compose_file", fs::absolute(plan.compose_file).native()},
                      {"compose_sha256", sha256_of_file(plan.compose_file)},
                      {"turns", turns},
                      {"runs", plan.runs},
                      {"replaced", plan.replaced}};
  write_file_atomic(folder / kPlanFile, dump_json(document, 1) + "\n");
}

SeriesPlan read_plan(const fs::path& folder) {
  const fs::path file = folder / kPlanFile;
  if (!fs::is_regular_file(file))
    throw UsageError{
        fmt::format("resume {}: no series (it has no {})", folder.native(), kPlanFile)};
  const json document = json::parse(read_file(file), nullptr, false);
  if (!document.is_object() || document.value("schema", "") != kPlanSchema)
    throw UsageError{fmt::format("read {}: not of schema {}", file.native(), kPlanSchema)};
  SeriesPlan plan;
  plan.kind = document.at("kind").get<std::string>();
  plan.seed = document.at("seed").get<std::uint64_t>();
  plan.compose_file = document.at("compose_file").get<std::string>();
  plan.turns = turns_from(document.at("turns"));
  plan.replaced = document.at("replaced");
  for (const json& run : document.at("runs"))
    (has_ended_series(run) ? plan.replaced : plan.runs).push_back(run);
  if (plan.runs.size() >= plan.turns.size())
    throw UsageError{
        fmt::format("resume {}: all of its {} runs are there", folder.native(), plan.turns.size())};
  if (!fs::is_regular_file(plan.compose_file) ||
      sha256_of_file(plan.compose_file) != document.at("compose_sha256").get<std::string>())
    throw UsageError{
        fmt::format("resume {}: {} has changed since, so the runs would not belong "
                    "together",
                    folder.native(), plan.compose_file.native())};
  read_arms(plan, folder);
  return plan;
}

}  // namespace tl
