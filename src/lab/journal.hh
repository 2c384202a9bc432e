// What a run has made on this host, written down before it is made, so that the next run can remove
// it when this one could not. One file a run, locked (flock(2)) by the controller for as long as it
// lives: the kernel drops the lock with the process, however that ends, so a journal whose lock can
// be taken belongs to a dead run. No pid is ever compared.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/fd.hh"
#include "lab/subnet.hh"

namespace tl {

// /run/trafficlab for root, else $XDG_RUNTIME_DIR/trafficlab or /tmp/trafficlab-UID. Made when
// missing.
std::filesystem::path journal_folder();

class Journal {
 public:
  // Makes the journal of a run; it is locked before it has its name, so that nobody ever takes it
  // for a dead run's. Throws MachineError.
  explicit Journal(std::string run_id);
  // Removes the file: everything recorded is gone by then.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Adds or replaces one fact ("engine", "run_folder", "subnet", …); on disk when it returns.
  void record(const std::string& key, const nlohmann::json& value);
  [[nodiscard]] const std::string& run_id() const { return run_id_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Leaves the file for the next run to clean up after: something recorded could not be removed.
  void keep() { keep_ = true; }

 private:
  std::string run_id_;
  std::filesystem::path path_;
  UniqueFd file_;
  nlohmann::json facts_;
  bool keep_ = false;
};

// One journal found on this host.
struct JournalEntry {
  std::string run_id;
  nlohmann::json facts;  // what the run recorded
  bool alive = false;    // its controller lives
  UniqueFd lock;         // of a dead one: held, so that nobody else cleans up the same
};
std::vector<JournalEntry> list_journals();
// Removes the journal file of a dead run.
void forget_journal(const std::string& run_id);
// Whether the run that owns this journal file lives, as far as this user can tell: a file that may
// not be looked at is taken for a living run's.
bool is_alive(const std::filesystem::path& journal);

// Chooses a subnet that is free on this host, used by no living run and overlaps none of `taken`,
// and records it, under a lock: two runs cannot choose the same.
Subnet allocate_subnet(Journal& journal, std::vector<Subnet> taken);

}  // namespace tl
