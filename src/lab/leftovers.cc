#include "lab/leftovers.hh"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/errors.hh"
#include "base/netlink.hh"
#include "base/process.hh"
#include "lab/docker_api.hh"
#include "lab/docker_leftovers.hh"
#include "lab/journal.hh"

namespace tl {
namespace {

using RunIds = std::vector<std::string>;

std::string fact(const JournalEntry& entry, const char* key) {
  return entry.facts.contains(key) ? entry.facts.at(key).get<std::string>() : "";
}

// Whether there is a socket file of an engine; engines over TCP always count.
bool may_answer(const std::string& host) {
  std::error_code none;
  return !host.starts_with("unix://") || std::filesystem::exists(host.substr(7), none);
}

// Asks every Docker engine that this user's runs may have used. Returns the dead runs of which
// something may still be there: their engine did not answer, or did not remove it.
RunIds clean_docker(const std::vector<JournalEntry>& journals, Leftovers& found) {
  std::map<std::string, RunIds> runs_by_host{{default_docker_host(), {}}};
  for (const JournalEntry& entry : journals)
    if (!entry.alive && entry.facts.contains("docker_host"))
      runs_by_host[fact(entry, "docker_host")].push_back(entry.run_id);
  RunIds unfinished;
  for (const auto& [host, run_ids] : runs_by_host) {
    if (!may_answer(host)) continue;
    try {
      const RunIds kept = collect_docker_leftovers(host, run_ids, found);
      unfinished.insert(unfinished.end(), kept.begin(), kept.end());
    } catch (const Error& e) {
      if (run_ids.empty()) continue;  // no Docker here, and nothing of ours in it
      found.problems.push_back(fmt::format("clean up in Docker: {}", e.what()));
      unfinished.insert(unfinished.end(), run_ids.begin(), run_ids.end());
    }
  }
  return unfinished;
}

// Docker removes a network's bridge with the network, unless it was itself killed in between.
// Returns whether it is gone.
bool remove_bridge(const std::string& name, Leftovers& found) {
  const std::vector<Link> links = list_links();
  if (std::none_of(links.begin(), links.end(), [&](const Link& l) { return l.name == name; }))
    return true;
  try {
    must_run({"ip", "link", "delete", name}, std::chrono::seconds{10});
    found.removed.push_back("link " + name);
    return true;
  } catch (const MachineError& e) {
    found.problems.push_back(e.what());
    return false;
  }
}

}  // namespace

Leftovers collect_leftovers() {
  Leftovers found;
  const std::vector<JournalEntry> journals = list_journals();
  const RunIds unfinished = clean_docker(journals, found);
  for (const JournalEntry& entry : journals) {
    if (entry.alive) continue;
    if (entry.facts.contains("run_folder"))
      found.run_folders.emplace_back(fact(entry, "run_folder"));
    // Its containers must be found by a later clean-up.
    if (std::find(unfinished.begin(), unfinished.end(), entry.run_id) != unfinished.end()) continue;
    if (entry.facts.contains("bridge") && !remove_bridge(fact(entry, "bridge"), found)) continue;
    found.removed.push_back("journal of dead run " + entry.run_id);
    forget_journal(entry.run_id);
  }
  return found;
}

}  // namespace tl
