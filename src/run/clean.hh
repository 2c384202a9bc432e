// Cleaning up after dead runs: their resources (lab/leftovers.hh) and their unfinished bundles.
#pragma once

#include <string>
#include <vector>

namespace tl {

struct Cleaned {
  std::vector<std::string> removed;   // one line for each thing removed or closed
  std::vector<std::string> problems;  // what could not be, and why
};
Cleaned clean_up();

}  // namespace tl
