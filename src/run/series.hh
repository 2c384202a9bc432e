// Several runs one after the other, as one bundle: repetitions of an experiment, or two experiments
// in alternation. The runs lie inside as bundles of their own.
#pragma once

#include <functional>
#include <map>

#include "run/run.hh"

namespace tl {

struct Arm {
  std::string name;  // "" for repetitions; "a", "b"
  Experiment experiment;
};

struct Turn {
  std::size_t arm = 0;
  bool is_warmup = false;  // run, kept and marked, but no comparison counts it
  std::size_t pair = 0;    // which pair it belongs to, from 0
};

// `warmups` turns that do not count, then `count` that do.
std::vector<Turn> repeated(std::size_t warmups, std::size_t count);
// `warmups` turns of each arm, then pairs in the order AB BA AB BA …: what drifts linearly on the
// host touches both arms alike.
std::vector<Turn> alternating(std::size_t warmups, std::size_t pairs);

struct SeriesRequest {
  std::string kind;  // "repeat", "ab"
  std::vector<Arm> arms;
  std::vector<Turn> turns;
  std::filesystem::path compose_file{"compose.yaml"};
  std::filesystem::path results{"results"};
  Argv argv;
  // Called with the finished bundle when every turn was run; the files it returns are added.
  std::function<std::map<std::string, std::string>(const std::filesystem::path&)> conclude = {};
};

// Runs every turn in order and leaves STAMP-NAME with runs/… inside and a manifest whose "runs"
// lists them in the order they ran: {bundle, arm, pair, is_warmup, verdict}. An inconclusive run
// does not end a series (it makes it inconclusive, unless it was a warm-up); any other failure
// does.
RunReport run_series(const SeriesRequest& request, StopSignals& stop, Progress& progress);

}  // namespace tl
