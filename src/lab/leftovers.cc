#include "lab/leftovers.hh"

#include "lab/journal.hh"

namespace tl {

Leftovers collect_leftovers() {
  Leftovers found;
  for (const JournalEntry& entry : list_journals()) {
    if (entry.alive) continue;
    if (entry.facts.contains("run_folder"))
      found.run_folders.emplace_back(entry.facts.at("run_folder").get<std::string>());
    found.removed.push_back("journal of dead run " + entry.run_id);
    forget_journal(entry.run_id);
  }
  return found;
}

}  // namespace tl
