#include "support/temporary.hh"

#include <cstdlib>

#include "base/errors.hh"

namespace tl::test {

TemporaryFolder::TemporaryFolder() {
  std::string name = "/tmp/tl-test-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw_errno("make", name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tl::test
