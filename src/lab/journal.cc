#include "lab/journal.hh"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/dump_json.hh"
#include "base/errors.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;

fs::path journal_path(const std::string& run_id) { return journal_folder() / (run_id + ".json"); }

}  // namespace

fs::path journal_folder() {
  fs::path folder = "/run/trafficlab";
  if (::geteuid() != 0) {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    folder = runtime != nullptr ? fs::path{runtime} / "trafficlab"
                                : fs::path{"/tmp/trafficlab-" + std::to_string(::geteuid())};
  }
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    throw_errno("make journal folder", folder.native());
  struct stat info {};
  if (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::geteuid())
    throw MachineError{"use journal folder " + folder.native() + ": it belongs to somebody else"};
  return folder;
}

Journal::Journal(std::string run_id) : run_id_{std::move(run_id)}, path_{journal_path(run_id_)} {
  file_ = open_fd(path_.parent_path(), O_TMPFILE | O_RDWR, 0600);
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) throw_errno("lock journal", path_.native());
  record("run_id", run_id_);
  const std::string unnamed = "/proc/self/fd/" + std::to_string(file_.get());
  if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) != 0)
    throw_errno("make journal", path_.native());
}

Journal::~Journal() {
  if (!keep_) ::unlink(path_.c_str());
}

// In place, not by rename: the lock belongs to this very file. One write(2) of a few hundred bytes;
// a reader takes a journal only after its writer has died.
void Journal::record(const std::string& key, const nlohmann::json& value) {
  facts_[key] = value;
  const std::string text = dump_json(facts_) + "\n";
  if (::pwrite(file_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ::ftruncate(file_.get(), static_cast<off_t>(text.size())) != 0)
    throw_errno("write journal", path_.native());
}

std::vector<JournalEntry> list_journals() {
  std::vector<JournalEntry> entries;
  for (const fs::directory_entry& file : fs::directory_iterator{journal_folder()}) {
    if (file.path().extension() != ".json") continue;
    JournalEntry entry;
    entry.run_id = file.path().stem().native();
    entry.lock = UniqueFd{::open(file.path().c_str(), O_RDWR | O_CLOEXEC)};
    if (!entry.lock.valid()) continue;  // its run ended just now
    entry.alive = ::flock(entry.lock.get(), LOCK_EX | LOCK_NB) != 0;
    if (entry.alive) entry.lock = UniqueFd{};
    entry.facts = nlohmann::json::parse(read_value(file.path()), nullptr, false);
    if (!entry.facts.is_object()) entry.facts = nlohmann::json::object();
    entries.push_back(std::move(entry));
  }
  return entries;
}

void forget_journal(const std::string& run_id) { ::unlink(journal_path(run_id).c_str()); }

bool is_alive(const fs::path& journal) {
  const UniqueFd file{::open(journal.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file.valid()) return errno != ENOENT && errno != ENOTDIR;
  return ::flock(file.get(), LOCK_SH | LOCK_NB) != 0;
}

Subnet allocate_subnet(Journal& journal, std::vector<Subnet> taken) {
  const UniqueFd lock = open_fd(journal_folder() / "allocation.lock", O_RDWR | O_CREAT, 0600);
  while (::flock(lock.get(), LOCK_EX) != 0)
    if (errno != EINTR) throw_errno("lock", "allocation of subnets");
  const std::vector<Subnet> local = local_subnets();
  taken.insert(taken.end(), local.begin(), local.end());
  for (const JournalEntry& entry : list_journals())
    if (entry.alive && entry.run_id != journal.run_id() && entry.facts.contains("subnet"))
      taken.push_back(parse_subnet(entry.facts.at("subnet").get<std::string>()));
  const Subnet chosen = free_subnet(taken);
  journal.record("subnet", chosen.text());
  return chosen;
}

}  // namespace tl
