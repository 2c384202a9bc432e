// The folder of a run while it is written. It is called STAMP-NAME.partial until finish() renames
// it, so nothing half-written ever has a final name.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "base/errors.hh"
#include "bundle/manifest.hh"

namespace tl {

// How a run ended, as the manifest says it.
struct Outcome {
  std::string verdict = "pass";  // pass, fail, inconclusive
  ExitCode exit_code = ExitCode::pass;
  std::string phase = "report";  // the phase the run ended in
  std::string reason;            // one line; empty for pass
};
void to_json(nlohmann::json& j, const Outcome& o);

class RunFolder {
 public:
  // Makes results/STAMP-NAME.partial with its subfolders, which belong to owner:group. STAMP is
  // `started_ns` as 20260131T235959Z; a name that is taken gets -2, -3, …. Throws MachineError when
  // `results` is not writable.
  // `announce` hears the folder's path before it is made, so that it can be recorded.
  RunFolder(const std::filesystem::path& results, const std::string& name, std::int64_t started_ns,
            uid_t owner, gid_t group,
            const std::function<void(const std::filesystem::path&)>& announce = {});

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Where the bundle will be once finished.
  [[nodiscard]] const std::filesystem::path& final_path() const { return final_path_; }

  // Removes control/, writes manifest.json with the checksum of every other file and renames the
  // folder into place.
  void finish(nlohmann::json manifest);

 private:
  std::filesystem::path path_;
  std::filesystem::path final_path_;
};

// Closes what a run that died left in a .partial folder: writes a manifest with the outcome
// "inconclusive" and the reason, unless it has one. The folder keeps its .partial name. Returns
// whether a manifest was written.
bool close_abandoned(const std::filesystem::path& partial_folder, const std::string& reason);

}  // namespace tl
