// Whether two sets of runs may be compared at all: what differs in their manifests, and how bad
// that is. The table of the keys is in docs/compare.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compare/run_set.hh"

namespace tl {

enum class Severity : std::uint8_t {
  blocking,  // the numbers do not mean the same
  warning,   // the difference may be the cause of another
  cosmetic   // listed, without influence on the numbers
};
const char* text_of(Severity severity);

struct KeyClass {
  std::string_view key;  // a whole key, or with '*' at the end all that begin so
  Severity severity;
};
// The first entry that fits a key counts; what fits none is not compared.
const std::vector<KeyClass>& key_classes();

struct Difference {
  std::string key;
  Severity severity = Severity::cosmetic;
  std::string base, fresh;  // the distinct values of each side, "; " between them
};

// Every key of which not all runs of both sides have the same value: blocking ones first. With
// `is_experiment_free` (two experiments are what is compared) the experiment's keys are cosmetic.
std::vector<Difference> differences(const RunSet& base, const RunSet& fresh,
                                    bool is_experiment_free = false);

bool is_blocked(const std::vector<Difference>& differences);

}  // namespace tl
