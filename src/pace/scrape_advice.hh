// Which scrape interval a job's metrics ask for. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "pace/prometheus_answer.hh"

namespace tl::pace {

struct ScrapeLimits {
  std::chrono::milliseconds shortest{5'000};
  // Above this, Prometheus itself no longer shows the series between scrapes: instant queries look
  // back five minutes, and two samples and a lost one must lie within.
  std::chrono::milliseconds longest{120'000};
  std::uint32_t move_percent = 5;  // a smaller relative change of a value is none
};

// 120 s, or less where Prometheus looks back less: lookback / 2.5.
std::chrono::milliseconds longest_scrape_interval(std::chrono::milliseconds lookback);

// What the samples of one job's series showed since its interval was last changed.
class JobEvidence {
 public:
  explicit JobEvidence(ScrapeLimits limits) : limits_{limits} {}
  void add(const SeriesSamples& samples);
  // Half the interval when more than half of the samples of some series moved, double when none of
  // any series did; nullopt while fewer than eight samples a series say so, for what lies between
  // (hysteresis), and at a limit.
  [[nodiscard]] std::optional<std::chrono::milliseconds> advice(
      std::chrono::milliseconds current) const;
  void start_again();

 private:
  struct Counts {
    double value = 0;
    bool has_value = false;
    std::uint64_t samples = 0, moves = 0;
  };
  ScrapeLimits limits_;
  std::map<std::string, Counts> series_;
};

// The value of the label "job" in a series' name, or empty.
std::string job_of_series(const std::string& series);

}  // namespace tl::pace
