#include "run/progress.hh"

#include <doctest/doctest.h>

#include <memory>

namespace tl::run_progress_test {
namespace {

// Every write to it fails, and at once, as on a stderr that nobody reads any more.
struct LostReader {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen("/dev/full", "w"), &std::fclose};
  LostReader() { std::setvbuf(file.get(), nullptr, _IONBF, 0); }
};

}  // namespace

TEST_CASE("progress that nobody can read any more is lost, and nothing else") {
  const LostReader lost;
  {
    Progress progress{lost.file.get()};
    CHECK_NOTHROW(progress.phase("down", "taking the lab down"));
    CHECK_NOTHROW(progress.note("removed nothing"));
    CHECK_NOTHROW(progress.traffic(std::chrono::seconds{1}, std::chrono::seconds{2}, 1e6, 1e6, 0));
  }
  CHECK(std::ferror(lost.file.get()) != 0);  // it was tried
}
}  // namespace tl::run_progress_test
