#include "support/skip.hh"

#include "support/results.hh"

namespace tl::test {

std::string& skip_reason() {
  static std::string reason;
  return reason;
}

void skip(const std::string& reason) { skip_reason() = reason; }

}  // namespace tl::test
