// What the counters cost in memory.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>

#include "support/counters_process.hh"
#include "support/processes.hh"
#include "support/star.hh"

namespace tl::counters_memory_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMegabyte = 1'000'000;

// 128 veth pairs, both ends of each in one namespace: 256 devices beside lo, which are up.
class ManyDevices {
 public:
  static constexpr int kPairs = 128;
  ManyDevices() : netns_{quiet_netns()} {
    const TemporaryFolder folder;
    std::string lines;
    for (int i = 0; i < kPairs; ++i)
      lines += fmt::format(
          "link add a{0} type veth peer name b{0}\nlink set a{0} up\nlink set b{0} up\n", i);
    write_file_atomic(folder.path() / "batch", lines);
    netns_.run([&] { must_run({"ip", "-batch", folder.path() / "batch"}, 60s); });
  }
  [[nodiscard]] std::string path() const { return path_of(netns_); }

 private:
  NetNs netns_;
};

struct Memory {
  std::uint64_t resident_bytes = 0;      // with the libraries, and the maps shared with the kernel
  std::uint64_t proportional_bytes = 0;  // what several processes have, divided among them
  std::uint64_t peak_bytes = 0;          // resident, since the process began
};

// The number of kibibytes behind `key`.
std::uint64_t bytes_of(const std::string& path, const std::string& key) {
  std::ifstream file{path};
  for (std::string word; file >> word;) {
    std::uint64_t kibibytes = 0;
    if (word == key && file >> kibibytes) return kibibytes * 1024;
  }
  FAIL("no " << key << " in " << path);
  return 0;
}

Memory memory_of(pid_t pid) {
  const std::string folder = fmt::format("/proc/{}/", pid);
  return {bytes_of(folder + "smaps_rollup", "Rss:"), bytes_of(folder + "smaps_rollup", "Pss:"),
          bytes_of(folder + "status", "VmHWM:")};
}

// Of `trafficlab counters` beside 256 devices, each with a series and programs of its own, after it
// has written `rows` rows.
Memory memory_with_256_devices(const std::string& interval, std::size_t rows) {
  const ManyDevices devices;
  Counters counters{{"total", "--interval", interval, "--netns", devices.path()}};
  constexpr std::size_t kLeastRowBytes = 30;
  REQUIRE(eventually(
      [&] { return std::filesystem::file_size(counters.file()) > rows * kLeastRowBytes; }, 30s));
  const Memory memory = memory_of(counters.child().pid());
  // On a busy machine 100 us leave the reader little time: buckets it missed are a gap that is
  // reported (3), no matter for memory.
  const ExitStatus status = counters.end();
  CHECK((status.ok() || status.code == 3));
  MESSAGE(interval, ": resident ", memory.resident_bytes / kMegabyte, " MB, proportional ",
          memory.proportional_bytes / kMegabyte, " MB, peak ", memory.peak_bytes / kMegabyte,
          " MB");
  return memory;
}

}  // namespace

TEST_CASE("256 series at 10 ms take less than 64 MB") {
  const Memory memory = memory_with_256_devices("10ms", 100);
  CHECK(memory.resident_bytes < 64 * kMegabyte);
  CHECK(memory.proportional_bytes <= memory.resident_bytes);
  CHECK(memory.peak_bytes < 64 * kMegabyte);
}

TEST_CASE("256 series at 100 us take less than 64 MB") {
  const Memory memory = memory_with_256_devices("100us", 10'000);
  CHECK(memory.resident_bytes < 64 * kMegabyte);
  CHECK(memory.proportional_bytes <= memory.resident_bytes);
  CHECK(memory.peak_bytes < 64 * kMegabyte);
}
}  // namespace tl::counters_memory_test
