#pragma once

#include <string>

namespace tl::test {

// Why the running test case was skipped; empty when it was not. The reporter reads and clears it.
std::string& skip_reason();

// Whether some test case ended without having checked anything.
bool a_case_was_empty();

}  // namespace tl::test
