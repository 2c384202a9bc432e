// What dead runs left on this host, and its removal. A living run holds the lock of its journal and
// is never touched.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tl {

struct Leftovers {
  std::vector<std::string> removed;  // "container tl-…", one line each
  std::vector<std::filesystem::path>
      run_folders;                    // .partial folders of dead runs: the caller closes them
  std::vector<std::string> problems;  // what could not be removed, and why
};

// Removes what the journals of dead runs name, and what carries their names or labels. Never throws
// for something that cannot be removed: that is a problem in the result, and its journal stays for
// the next try.
Leftovers collect_leftovers();

}  // namespace tl
