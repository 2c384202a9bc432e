#include "run/doctor.hh"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/fd.hh"
#include "support/temporary.hh"

namespace tl::run_doctor_test {
using namespace std::chrono_literals;

namespace {

// A made-up root folder with the files that the checks read.
struct FakeRoot {
  explicit FakeRoot(const std::string& release, bool with_btf = true) {
    std::filesystem::create_directories(folder.path() / "proc/sys/kernel");
    write_file_atomic(folder.path() / "proc/sys/kernel/osrelease", release + "\n");
    std::filesystem::create_directories(folder.path() / "sys/kernel/btf");
    if (with_btf) write_file_atomic(folder.path() / "sys/kernel/btf/vmlinux", "x");
  }
  [[nodiscard]] Check find(const std::string& name) const {
    Experiment experiment;
    experiment.engine = "netns";
    for (Check& c : examine({folder.path(), folder.path(), experiment}))
      if (c.name == name) return c;
    return {};
  }
  test::TemporaryFolder folder;
};

}  // namespace

TEST_CASE("doctor: a kernel that is too old or has no BTF is missing, with what to do") {
  CHECK(FakeRoot{"6.1.0-18-amd64"}.find("kernel").state == CheckState::ok);
  CHECK(FakeRoot{"5.4.0"}.find("kernel").state == CheckState::missing);
  const Check btf = FakeRoot{"6.1.0", false}.find("btf");
  CHECK(btf.state == CheckState::missing);
  CHECK(btf.fix.find("CONFIG_DEBUG_INFO_BTF") != std::string::npos);
}

TEST_CASE("doctor: the first missing check becomes one line with its fix") {
  CHECK(
      first_missing({{"a", CheckState::ok, "", ""}, {"b", CheckState::warning, "w", "f"}}).empty());
  CHECK(first_missing({{"a", CheckState::ok, "", ""},
                       {"b", CheckState::missing, "is absent", "install it"}}) ==
        "b: is absent (install it)");
}

TEST_CASE("doctor: the disk estimate grows with rate, duration and snaplen") {
  Experiment e;
  e.duration = 10s;
  e.bitrate_bps = 100'000'000;
  const std::uint64_t base = estimated_bundle_bytes(e);
  e.duration = 20s;
  CHECK(estimated_bundle_bytes(e) == 2 * base);
  e.duration = 10s;
  e.snaplen_bytes = 1500;
  CHECK(estimated_bundle_bytes(e) > 5 * base);
}
}  // namespace tl::run_doctor_test
