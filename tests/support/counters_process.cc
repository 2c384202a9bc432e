#include "support/counters_process.hh"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>

#include <cerrno>

#include "base/fd.hh"
#include "support/processes.hh"

namespace tl::test {

using namespace std::chrono_literals;

Counters::Counters(const Argv& args, const NetNs* netns) : child_{start(args, netns)} {
  REQUIRE(eventually([&] { return errors().find("armed") != std::string::npos; }, 60s));
}

std::string Counters::errors() const { return read_value(folder_.path() / "err"); }

ExitStatus Counters::end(int signal) {
  child_.signal(signal);
  return wait();
}

ExitStatus Counters::wait() {
  const auto status = child_.wait(20s);
  REQUIRE(status.has_value());
  return *status;
}

Child Counters::start(const Argv& args, const NetNs* netns) {
  Argv argv{TL_PROGRAM, "counters"};
  argv.insert(argv.end(), args.begin(), args.end());
  argv.insert(argv.end(), {"--format", "csv", "--output", file().native()});
  const UniqueFd err = open_fd(folder_.path() / "err", O_WRONLY | O_CREAT | O_APPEND);
  ChildOptions options;
  options.stderr_fd = err.get();
  if (netns != nullptr)
    options.prepare = [fd = netns->fd()] { return ::setns(fd, CLONE_NEWNET) == 0 ? 0 : errno; };
  return Child{argv, options};
}

Sums sums_of(const std::filesystem::path& file) {
  Sums sums;
  each_counter_row(file, [&](const CounterRow& row) {
    sums.series[std::string{row.series}] += row.values;
    sums.times_ns[std::string{row.series}].push_back(row.time_ns);
  });
  return sums;
}

void check_dense(const Sums& sums, std::int64_t interval_ns) {
  REQUIRE_FALSE(sums.times_ns.empty());
  const std::vector<std::int64_t>& first = sums.times_ns.begin()->second;
  for (std::size_t i = 1; i < first.size(); ++i)
    if (first[i] - first[i - 1] != interval_ns) FAIL_CHECK("gap at row " << i);
  for (const auto& [name, times] : sums.times_ns) CHECK(times == first);
}

Argv points(const VethPair& pair, const Argv& more) {
  Argv args = more;
  args.insert(args.end(),
              {"--netns", path_of(pair.left), "--netns", path_of(pair.right), "-i", "eth0"});
  return args;
}

std::string last_part(const NetNs& netns) {
  const std::string path = path_of(netns);
  return path.substr(path.rfind('/') + 1);
}

}  // namespace tl::test
