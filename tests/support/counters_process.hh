// `trafficlab counters` as a child process, and what it wrote.
#pragma once

#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/process.hh"
#include "bundle/counter_csv.hh"
#include "support/temporary.hh"
#include "support/veth_pair.hh"

namespace tl::test {

// Writes a CSV file; counts already when the constructor returns.
class Counters {
 public:
  // In the namespace of the calling thread, or in `netns`.
  explicit Counters(const Argv& args, const NetNs* netns = nullptr);
  [[nodiscard]] Child& child() { return child_; }
  [[nodiscard]] std::string errors() const;
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "rows.csv"; }
  // Fails the test when it does not end within 20 s.
  ExitStatus end(int signal = SIGINT);
  ExitStatus wait();

 private:
  Child start(const Argv& args, const NetNs* netns);
  TemporaryFolder folder_;
  Child child_;
};

struct Sums {
  std::map<std::string, CounterValues> series;
  std::map<std::string, std::vector<std::int64_t>> times_ns;
};
Sums sums_of(const std::filesystem::path& file);
// Fails the test unless every series has the same rows, one interval apart.
void check_dense(const Sums& sums, std::int64_t interval_ns);

// Arguments that watch eth0 at both ends of the pair.
Argv points(const VethPair& pair, const Argv& more);
// What such a namespace is called in the rows.
std::string last_part(const NetNs& netns);

}  // namespace tl::test
