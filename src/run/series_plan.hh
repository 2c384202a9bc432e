// What a series of runs is going to do and has done: series.json in its folder, so that it can go
// on after an interruption.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run/turns.hh"
#include "spec/sweep.hh"

namespace tl {

struct Arm {
  std::string name;    // "" for repetitions; "a", "b"; "01", "02", … for the cells of a matrix
  Combination values;  // of a cell; else empty
  Experiment experiment;
};

struct SeriesPlan {
  std::string kind;  // "repeat", "ab", "matrix"
  std::vector<Arm> arms;
  std::vector<Turn> turns;
  std::uint64_t seed = 0;  // of the order of a matrix
  std::filesystem::path compose_file{"compose.yaml"};
  std::string name;  // of the bundle
  // The input as files of the bundle: experiment.yaml (with its matrix), or a.yaml and b.yaml.
  std::vector<std::pair<std::string, std::string>> files;
  // One entry a turn that was taken, in order: {bundle, arm, round, is_warmup, verdict, exit_code}.
  nlohmann::json runs = nlohmann::json::array();
  // Runs that ended the series, which then went on: not counted, kept.
  nlohmann::json replaced = nlohmann::json::array();
};

// One experiment again and again, or every cell of its matrix in every round.
SeriesPlan plan_sweep(const Sweep& sweep, std::size_t warmups, std::size_t rounds,
                      std::uint64_t seed);
// Two experiments in alternation.
SeriesPlan plan_ab(const Experiment& a, const Experiment& b, std::size_t warmups,
                   std::size_t pairs);

// Writes series.json.
void write_plan(const SeriesPlan& plan, const std::filesystem::path& folder);
// Reads it and the input beside it. A run that ended the series moves to `replaced`. Throws
// UsageError when the folder is no series, when every turn was taken, and when the Compose file is
// not the one the series began with.
SeriesPlan read_plan(const std::filesystem::path& folder);

}  // namespace tl
