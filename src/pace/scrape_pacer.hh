// Lets the scrape intervals of jobs follow what their metrics do: watches, and edits
// prometheus.yml.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pace/config_writer.hh"
#include "pace/scrape_advice.hh"
#include "pace/scrape_config.hh"

namespace tl::pace {

struct ScrapePlan {
  std::set<std::string> jobs;  // only these are ever edited
  ScrapeLimits limits;
  std::chrono::nanoseconds between_reloads{60'000'000'000};
  bool dry_run = false;  // says what it would do
};

// Decides; the caller polls and tells the time.
class ScrapePacer {
 public:
  using Say = std::function<void(const std::string& line)>;
  // Throws UsageError when a job is not in the file.
  ScrapePacer(ScrapePlan plan, ConfigWriter& writer, Say say);

  void learn(const SeriesSamples& samples);
  // Edits the file and reloads, at most once every `between_reloads`, all jobs in one go.
  void act(std::int64_t now_ns);
  [[nodiscard]] std::uint64_t reloads() const { return reloads_; }

 private:
  struct Change {
    std::string job;
    std::chrono::milliseconds from, to;
  };
  [[nodiscard]] std::vector<Change> wanted_changes(const ScrapeConfig& config) const;

  ScrapePlan plan_;
  ConfigWriter& writer_;
  Say say_;
  std::map<std::string, JobEvidence> evidence_;
  std::optional<std::int64_t> last_reload_ns_;
  std::uint64_t reloads_ = 0;
};

}  // namespace tl::pace
