#include "run/clean.hh"

#include "base/errors.hh"
#include "bundle/run_folder.hh"
#include "lab/leftovers.hh"

namespace tl {

Cleaned clean_up() {
  Leftovers left = collect_leftovers();
  Cleaned cleaned{std::move(left.removed), std::move(left.problems)};
  for (const auto& folder : left.run_folders) {
    try {
      if (close_abandoned(folder,
                          "the run was killed: its controller ended without finishing the bundle"))
        cleaned.removed.push_back("unfinished state of " + folder.native() +
                                  " (it now has a manifest)");
    } catch (const std::exception& e) {
      cleaned.problems.push_back("close " + folder.native() + ": " + e.what());
    }
  }
  return cleaned;
}

}  // namespace tl
