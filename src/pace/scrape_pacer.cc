#include "pace/scrape_pacer.hh"

#include <fmt/format.h>

namespace tl::pace {

ScrapePacer::ScrapePacer(ScrapePlan plan, ConfigWriter& writer, Say say)
    : plan_{std::move(plan)}, writer_{writer}, say_{std::move(say)} {
  const ScrapeConfig config{writer_.read(), writer_.file()};
  for (const std::string& job : plan_.jobs) {
    (void)config.times(job);
    evidence_.emplace(job, plan_.limits);
  }
}

void ScrapePacer::learn(const SeriesSamples& samples) {
  const auto known = evidence_.find(job_of_series(samples.series));
  if (known != evidence_.end()) known->second.add(samples);
}

std::vector<ScrapePacer::Change> ScrapePacer::wanted_changes(const ScrapeConfig& config) const {
  std::vector<Change> changes;
  for (const auto& [job, evidence] : evidence_) {
    const auto current = config.times(job).interval;
    if (const auto advised = evidence.advice(current)) changes.push_back({job, current, *advised});
  }
  return changes;
}

void ScrapePacer::act(std::int64_t now_ns) {
  if (last_reload_ns_ && now_ns - *last_reload_ns_ < plan_.between_reloads.count()) return;
  const ScrapeConfig config{writer_.read(), writer_.file()};
  const auto changes = wanted_changes(config);
  if (changes.empty()) return;
  ScrapeConfig edited = config;
  for (const Change& change : changes) edited = edited.with_interval(change.job, change.to);
  last_reload_ns_ = now_ns;
  const auto result =
      plan_.dry_run ? ConfigWriter::Result::unchanged : writer_.apply(config.text(), edited.text());
  std::string outcome = "not written: dry run";
  if (result == ConfigWriter::Result::applied) {
    ++reloads_;
    outcome = "loaded";
  } else if (result == ConfigWriter::Result::refused) {
    outcome = "refused, the old configuration stays: " + writer_.reason();
  } else if (result == ConfigWriter::Result::changed_by_others) {
    outcome = "not in force: the file has just been changed by somebody else";
  }
  for (const Change& change : changes) {
    say_(fmt::format("job {}: scrape_interval {} -> {} ({})", change.job,
                     format_prometheus_duration(change.from), format_prometheus_duration(change.to),
                     outcome));
    evidence_.at(change.job).start_again();
  }
}

}  // namespace tl::pace
