#include "lab/journal.hh"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/errors.hh"
#include "support/docker_daemon.hh"
#include "support/temporary.hh"

namespace tl::lab_journal_test {
using namespace tl::test;

namespace {

const JournalEntry* find(const std::vector<JournalEntry>& entries, const std::string& run_id) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const JournalEntry& e) { return e.run_id == run_id; });
  return found == entries.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("a journal is a living run's while its lock is held, a dead one's afterwards") {
  std::filesystem::path path;
  {
    Journal journal{"unit-a"};
    path = journal.path();
    journal.record("subnet", "198.18.0.0/28");
    CHECK(is_alive(path));
    const auto entries = list_journals();
    REQUIRE(find(entries, "unit-a") != nullptr);
    CHECK(find(entries, "unit-a")->alive);
    CHECK_THROWS_AS(Journal{"unit-a"}, MachineError);
    journal.keep();
  }
  CHECK_FALSE(is_alive(path));
  {
    const auto entries = list_journals();
    REQUIRE(find(entries, "unit-a") != nullptr);
    CHECK_FALSE(find(entries, "unit-a")->alive);
    CHECK(find(entries, "unit-a")->facts.at("subnet") == "198.18.0.0/28");
    CHECK(is_alive(path));  // locked by whoever cleans up: nobody else may
  }
  forget_journal("unit-a");
  CHECK_FALSE(is_alive(path));
  CHECK(find(list_journals(), "unit-a") == nullptr);
}

TEST_CASE("a journal takes words that are not UTF-8") {
  Journal journal{"unit-e"};
  CHECK_NOTHROW(journal.record("run_folder", "/tmp/M\xfcller"));
  const auto entries = list_journals();
  REQUIRE(find(entries, "unit-e") != nullptr);
}

TEST_CASE("a run that ended regularly leaves no journal") {
  std::filesystem::path path;
  {
    const Journal journal{"unit-b"};
    path = journal.path();
    CHECK(std::filesystem::exists(path));
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("living runs never get overlapping subnets") {
  Journal first{"unit-c"}, second{"unit-d"};
  const Subnet a = allocate_subnet(first, {});
  const Subnet b = allocate_subnet(second, {});
  CHECK_FALSE(a.overlaps(b));
  // Its own earlier choice is free again for the same run; what the caller names is not.
  const Subnet c = allocate_subnet(second, {b});
  CHECK_FALSE(c.overlaps(a));
  CHECK_FALSE(c.overlaps(b));
}
}  // namespace tl::lab_journal_test
