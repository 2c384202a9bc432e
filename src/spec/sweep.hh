// One experiment over every combination of some settings' values: `matrix` in the experiment file,
// for example
//   matrix:
//     traffic.protocol: [tcp, udp]
//     traffic.parallel: [1, 4]
//     exclude: [{traffic.protocol: udp, traffic.parallel: 4}]
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "spec/experiment.hh"

namespace tl {

struct Axis {
  std::string path;                 // of a setting: "traffic.parallel"
  std::vector<std::string> values;  // as they stand in the file, no two the same
};

using Combination = std::vector<std::pair<std::string, std::string>>;  // path, value; axis by axis

struct Sweep {
  Experiment base;
  std::vector<Axis> axes;            // in the file's order; none: only `base`
  std::vector<Combination> exclude;  // what has all of these values is left out
};

struct Cell {
  Combination values;
  Experiment experiment;
};

// Every combination that is not excluded, the last axis changing fastest, each checked. Throws
// UsageError, naming the combination, when one is no experiment, and when none is left.
std::vector<Cell> cells(const Sweep& sweep);

// "traffic.protocol=tcp traffic.parallel=4"
std::string combination_text(const Combination& values);

}  // namespace tl
