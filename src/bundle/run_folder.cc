#include "bundle/run_folder.hh"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/clock.hh"
#include "base/fd.hh"
#include "base/sha256.hh"

namespace tl {
namespace fs = std::filesystem;

void to_json(nlohmann::json& j, const Outcome& o) {
  j = {{"verdict", o.verdict},
       {"exit_code", static_cast<int>(o.exit_code)},
       {"phase", o.phase},
       {"reason", o.reason.empty() ? nlohmann::json() : nlohmann::json(o.reason)}};
}

RunFolder::RunFolder(const fs::path& results, const std::string& name, std::int64_t started_ns,
                     uid_t owner, gid_t group,
                     const std::function<void(const fs::path&)>& announce) {
  std::error_code error;
  fs::create_directories(results, error);
  const fs::path root = fs::canonical(results, error);
  if (error)
    throw MachineError{
        fmt::format("make results folder {}: {}", results.native(), error.message())};
  const std::string base = utc_compact(started_ns) + "-" + name;
  for (int attempt = 1;; ++attempt) {
    final_path_ = root / (attempt == 1 ? base : fmt::format("{}-{}", base, attempt));
    path_ = final_path_;
    path_ += ".partial";
    if (fs::exists(final_path_)) continue;
    if (announce) announce(path_);
    if (::mkdir(path_.c_str(), 0755) == 0) break;
    if (errno != EEXIST) throw_errno("make run folder", path_.native());
  }
  for (const char* sub : {"control", "counters", "captures", "iperf", "logs"}) {
    fs::create_directory(path_ / sub);
    if (::geteuid() == 0 && ::chown((path_ / sub).c_str(), owner, group) != 0)
      throw_errno("change owner of", (path_ / sub).native());
  }
}

void RunFolder::finish(nlohmann::json manifest) {
  fs::remove_all(path_ / "control");
  write_manifest(path_, std::move(manifest));
  if (::rename(path_.c_str(), final_path_.c_str()) != 0)
    throw_errno("rename bundle to", final_path_.native());
  path_ = final_path_;
  sync_folder(final_path_.parent_path());
}

bool close_abandoned(const fs::path& partial_folder, const std::string& reason) {
  if (!fs::is_directory(partial_folder) || fs::exists(partial_folder / "manifest.json"))
    return false;
  const Outcome outcome{"inconclusive", ExitCode::inconclusive, "unknown", reason};
  write_manifest(partial_folder, {{"schema", kBundleSchema}, {"outcome", outcome}});
  return true;
}

}  // namespace tl
