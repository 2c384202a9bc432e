// prometheus.yml as text in which two values of a job can be changed, and nothing else.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace tl::pace {

struct ScrapeTimes {
  std::chrono::milliseconds interval{60'000};  // Prometheus' defaults
  std::chrono::milliseconds timeout{10'000};
};

// Prometheus' notation: "15s", "1m30s", "500ms". Throws UsageError.
std::chrono::milliseconds parse_prometheus_duration(const std::string& text);
std::string format_prometheus_duration(std::chrono::milliseconds duration);

class ScrapeConfig {
 public:
  // `name` stands in messages. Throws UsageError "NAME:LINE: …" when it is not YAML or has no
  // scrape_configs.
  ScrapeConfig(std::string text, std::string name);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::vector<std::string> jobs() const;
  // What is in force: the job's own times, or the global ones, or the defaults. Throws UsageError
  // for a job that is not in the file, naming those that are.
  [[nodiscard]] ScrapeTimes times(const std::string& job) const;
  // The same configuration with another interval of this job, and with a timeout that is not above
  // it. Every other byte stays, comments included. Throws UsageError when that cannot be: when the
  // values come from an anchor that other jobs use as well.
  [[nodiscard]] ScrapeConfig with_interval(const std::string& job,
                                           std::chrono::milliseconds interval) const;

 private:
  [[nodiscard]] ScrapeConfig with_value(const std::string& job, const std::string& key,
                                        std::chrono::milliseconds value) const;
  std::string text_, name_;
};

}  // namespace tl::pace
