#include "lab/docker_leftovers.hh"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <string_view>

#include "base/clock.hh"
#include "base/errors.hh"
#include "lab/journal.hh"

namespace tl {
namespace {

using std::chrono::milliseconds;

// In the order in which they can be removed.
constexpr std::array kKinds{DockerKind::container, DockerKind::network, DockerKind::volume};
constexpr milliseconds kQuiet{1000}, kStep{50};
constexpr std::string_view kPrefix = "tl-";  // of a lab's project, before the run's id
constexpr const char* kProjectLabel = "com.docker.compose.project";

// One pass over a project. Returns whether there was anything.
bool sweep(DockerApi& api, const std::string& project, Removal& removal) {
  bool any = false;
  removal.problems.clear();  // what failed before may work now
  for (const DockerKind kind : kKinds) {
    for (const DockerObject& object :
         api.list(kind, fmt::format("{}={}", kProjectLabel, project))) {
      any = true;
      const std::string line = fmt::format("{} {}", name_of(kind), object.name);
      try {
        api.remove(kind, object.id);
        removal.removed.push_back(line);
      } catch (const MachineError& e) {
        removal.problems.push_back(fmt::format("remove {}: {}", line, e.what()));
      }
    }
  }
  return any;
}

// Projects of labs whose journal belongs to no living run. One without that label is left alone: it
// may be another user's, whose journals are elsewhere.
std::set<std::string> dead_projects(DockerApi& api) {
  std::set<std::string> projects;
  for (const DockerKind kind : kKinds) {
    for (const DockerObject& object : api.list(kind, "trafficlab.run")) {
      const std::string project = object.label(kProjectLabel);
      const std::string journal = object.label("trafficlab.journal");
      if (project.starts_with(kPrefix) && !journal.empty() && !is_alive(journal))
        projects.insert(project);
    }
  }
  return projects;
}

}  // namespace

Removal remove_project(DockerApi& api, const std::string& project, bool half_made) {
  Removal removal;
  Deadline quiet{kQuiet}, limit{10 * kQuiet};
  while (!limit.passed()) {
    const bool any = sweep(api, project, removal);
    if (!any && (!half_made || quiet.passed())) break;
    if (any) quiet = Deadline{kQuiet};
    if (any && !half_made && removal.problems.empty()) break;
    ::poll(nullptr, 0, static_cast<int>(kStep.count()));
  }
  return removal;
}

std::vector<std::string> collect_docker_leftovers(const std::string& host,
                                                  const std::vector<std::string>& dead_run_ids,
                                                  Leftovers& found) {
  DockerApi api{host};
  std::vector<std::string> unfinished;
  std::set<std::string> dead = dead_projects(api);
  for (const std::string& id : dead_run_ids) dead.insert(std::string{kPrefix} + id);
  for (const std::string& project : dead) {
    // How far a dead run had come is not known.
    Removal removal = remove_project(api, project, true);
    if (!removal.problems.empty()) unfinished.push_back(project.substr(kPrefix.size()));
    std::move(removal.removed.begin(), removal.removed.end(), std::back_inserter(found.removed));
    std::move(removal.problems.begin(), removal.problems.end(), std::back_inserter(found.problems));
  }
  return unfinished;
}

}  // namespace tl
