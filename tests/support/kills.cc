#include "support/kills.hh"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <csignal>
#include <random>

#include "base/fd.hh"
#include "support/processes.hh"

namespace tl::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

int bundles_without_manifest(const std::filesystem::path& results) {
  int count = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator{results, none})
    count += std::filesystem::exists(entry.path() / "manifest.json") ? 0 : 1;
  return count;
}

}  // namespace

KillCounts kill_at_random(const Argv& args, int kills, milliseconds longest, std::uint64_t seed,
                          const std::vector<std::pair<std::string, std::string>>& environment) {
  constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGKILL};
  std::mt19937_64 random{seed};
  KillCounts counts;
  for (int i = 0; i < kills; ++i) {
    const TemporaryFolder folder;
    const auto before = inventory();
    const int number = kSignals[static_cast<std::size_t>(i) % kSignals.size()];
    const milliseconds after{
        static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(longest.count()))};
    const UniqueFd log = open_fd(folder.path() / "log", O_WRONLY | O_CREAT);
    ChildOptions options;
    options.stdout_fd = options.stderr_fd = log.get();
    options.environment = environment;
    Child run{lab_argv(folder.path() / "results", args), options};
    (void)run.wait(after);
    run.signal(number);
    const auto status = run.wait(seconds{60});
    REQUIRE_MESSAGE(status.has_value(), "signal ", number, " after ", after.count(),
                    " ms: the run did not end");
    ++counts.kills;
    if (number == SIGKILL) must_run({TL_PROGRAM, "gc"}, seconds{60}, "", options);
    // Processes of containers and namespaces go a moment after their owner.
    std::vector<std::string> left;
    (void)eventually([&] { return (left = added(before, inventory())).empty(); },
                     milliseconds{3000});
    for (const std::string& line : left)
      MESSAGE(fmt::format("signal {} after {} ms left: {}", number, after.count(), line));
    counts.left_behind += static_cast<int>(left.size());
    counts.without_manifest += bundles_without_manifest(folder.path() / "results");
    if (!left.empty()) MESSAGE(read_value(folder.path() / "log"));
  }
  return counts;
}

}  // namespace tl::test
