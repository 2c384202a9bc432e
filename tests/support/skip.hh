// Skipping with a reason, which the summary counts and prints. Only for what this machine cannot
// do; see tests/run.sh.
#pragma once

#include <doctest/doctest.h>

#include <string>

namespace tl::test {

// Marks the running test case as skipped. Use through TL_SKIP.
void skip(const std::string& reason);

}  // namespace tl::test

#define TL_SKIP(reason)       \
  do {                        \
    ::tl::test::skip(reason); \
    return;                   \
  } while (false)
