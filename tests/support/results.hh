#pragma once

#include <string>

namespace tl::test {

// Why the running test case was skipped; empty when it was not. The reporter reads and clears it.
std::string& skip_reason();

}  // namespace tl::test
