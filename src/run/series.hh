// Several runs one after the other, as one bundle: repetitions of an experiment, two experiments in
// alternation, or the cells of a matrix. The runs lie inside as bundles of their own.
#pragma once

#include <functional>
#include <map>

#include "run/run.hh"
#include "run/series_plan.hh"

namespace tl {

struct SeriesRequest {
  SeriesPlan plan;
  std::filesystem::path results{"results"};
  std::filesystem::path resumed;  // the folder to go on in; empty: a new one in `results`
  Argv argv;
  // Called with the finished bundle when every turn was taken; the files it returns are added.
  std::function<std::map<std::string, std::string>(const std::filesystem::path&)> conclude = {};
};

// Takes every turn that was not taken yet and leaves STAMP-NAME with runs/… inside, series.json,
// and a manifest whose "runs" lists them in the order they ran. An inconclusive run does not end a
// series (it makes it inconclusive, unless it was a warm-up); any other failure does, and the
// series can be resumed. Throws MachineError before the first run when one of the experiments
// cannot run here, UsageError when another process is at work in the folder.
RunReport run_series(SeriesRequest request, StopSignals& stop, Progress& progress);

}  // namespace tl
