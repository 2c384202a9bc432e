#include "lab/image.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "base/fd.hh"
#include "support/temporary.hh"

namespace tl::lab_image_test {
using namespace tl::test;

TEST_CASE("the image's name changes with every input, and with nothing else") {
  const TemporaryFolder tree;
  for (const char* folder : {"docker", "src", "scripts", "results"})
    std::filesystem::create_directory(tree.path() / folder);
  for (const char* file :
       {"docker/Dockerfile", "src/main.cc", "scripts/setup.sh", "CMakeLists.txt"})
    write_file_atomic(tree.path() / file, file);
  const std::string first = image_name(tree.path());
  CHECK(first.starts_with("trafficlab:"));
  CHECK(image_name(tree.path()) == first);

  write_file_atomic(tree.path() / "results/manifest.json", "x");
  write_file_atomic(tree.path() / "scripts/build.sh", "x");
  CHECK(image_name(tree.path()) == first);

  write_file_atomic(tree.path() / "src/main.cc", "changed");
  const std::string changed = image_name(tree.path());
  CHECK(changed != first);
  std::filesystem::rename(tree.path() / "src/main.cc", tree.path() / "src/other.cc");
  CHECK(image_name(tree.path()) != changed);
}

TEST_CASE("without a source tree the image cannot be made, and what to do is said") {
  const TemporaryFolder empty;
  CHECK_THROWS_WITH_AS((void)image_name(empty.path()), doctest::Contains("TRAFFICLAB_IMAGE"),
                       MachineError);
}
}  // namespace tl::lab_image_test
