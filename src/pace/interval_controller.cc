#include "pace/interval_controller.hh"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace tl::pace {
namespace {

constexpr std::int64_t kTolerancePercent = 15, kLockedTolerancePercent = 25;
constexpr std::int64_t kSampleTolerancePercent = 10;
constexpr std::int64_t kFirstDelayNs = 100'000'000, kLeastDelayNs = 10'000'000;
constexpr std::size_t kAllGaps = ChangeHistory::kMostChanges, kFewestForBursts = 8;
constexpr std::size_t kGapsOfNewRate = 16;
// A few gaps say little: so many of the first interval count with them, since polling too seldom
// costs more freshness than polling too often costs bytes.
constexpr std::int64_t kPriorGaps = 2;
constexpr std::int64_t kMostSamplesPerPoll = 4;  // more are not worth their bytes
constexpr std::int64_t kMostValuesOnly = 256;

// After a burst with gaps P and a silence of `age`, polls cost age / T and the next burst's onset
// waits T / 2 with all its T / P changes: both together are least at T = cbrt(3 P² age).
std::int64_t quiet_interval_ns(std::int64_t gap_ns, std::int64_t age_ns) {
  const auto gap = static_cast<double>(gap_ns);
  return static_cast<std::int64_t>(
      std::cbrt(3 * gap * gap * static_cast<double>(std::max(age_ns, gap_ns))));
}

// The first of start + k * period that is at or after `from`.
std::int64_t next_multiple(std::int64_t start_ns, std::int64_t period_ns, std::int64_t from_ns) {
  if (from_ns <= start_ns) return start_ns;
  return start_ns + (from_ns - start_ns + period_ns - 1) / period_ns * period_ns;
}

}  // namespace

IntervalController::IntervalController(PaceLimits limits)
    : limits_{limits},
      delay_ns_{kFirstDelayNs},
      blind_ns_{limits.first.count()},
      prior_ns_{limits.first.count()} {}

// A sample that is older than a poll which did not show it was not visible yet.
void IntervalController::learn_delay(const Finding& finding) {
  if (finding.samples_ns.empty() || previous_poll_ns_ == 0) return;
  const std::int64_t hidden_ns = previous_poll_ns_ - finding.samples_ns.front();
  // Longer than a few seconds is no delay but a sample that was back-filled.
  if (hidden_ns >= 0 && hidden_ns < limits_.shortest.count() * 4) {
    delay_ns_ = std::max(delay_ns_, 2 * hidden_ns + kLeastDelayNs);
  } else {
    delay_ns_ = std::max(kLeastDelayNs, delay_ns_ - delay_ns_ / 16);
  }
}

void IntervalController::learn(const Finding& finding) {
  if (finding.has_hole) {
    changes_.clear();
    samples_.clear();
  }
  learn_delay(finding);
  // Of a series that is younger than the first interval, nothing is known that would justify it.
  if (previous_poll_ns_ == 0 && !finding.samples_ns.empty())
    prior_ns_ = blind_ns_ = std::clamp(finding.samples_ns.back() - finding.samples_ns.front(),
                                       std::min(limits_.shortest.count(), blind_ns_), blind_ns_);
  for (const std::int64_t time_ns : finding.samples_ns) samples_.add(time_ns);
  for (const std::int64_t time_ns : finding.changes_ns) changes_.add(time_ns);
  rate_changes_ = std::min(rate_changes_ + finding.changes_ns.size(), ChangeHistory::kMostChanges);
  if (!finding.changes_ns.empty()) late_polls_ = 0;
  if (values_only_ > 0) values_allowed_ = std::min(2 * values_allowed_, kMostValuesOnly);
  values_only_ = 0;
}

Ask IntervalController::ask() const {
  if (mode_ == Mode::learning || mode_ == Mode::quiet) return Ask::changes_first;
  if (mode_ != Mode::steady || values_only_ >= values_allowed_) return Ask::samples;
  if (values_only_ > 0 && steady_.is_contradicted()) return Ask::samples;
  const auto rhythm = samples_.rhythm(kSampleTolerancePercent);
  const bool is_dense = rhythm && steady_.interval_ns() > kMostSamplesPerPoll * rhythm->period_ns;
  // With fewer changes a rhythm might not have shown itself yet.
  return is_dense && changes_.size() > kFewestForBursts ? Ask::value : Ask::samples;
}

std::int64_t IntervalController::next_poll_ns(const Finding& finding) {
  const std::int64_t now_ns = finding.poll_ns, elapsed_ns = now_ns - previous_poll_ns_;
  std::int64_t wanted = 0;
  if (!finding.is_exact) {
    wanted = now_ns + counted_ns(finding);
  } else if (finding.is_value_only) {
    ++values_only_;
    steady_.saw_any(elapsed_ns, !finding.changes_ns.empty());
    wanted = after_a_sample_ns(now_ns, now_ns + steady_.interval_ns());
  } else {
    if (steady_.is_set() && !finding.has_hole) steady_.saw(elapsed_ns, finding.changes_ns.size());
    learn(finding);
    wanted = wanted_ns(now_ns);
  }
  previous_poll_ns_ = now_ns;
  return std::clamp(wanted, now_ns + limits_.shortest.count(), now_ns + limits_.longest.count());
}

std::int64_t IntervalController::wanted_ns(std::int64_t now_ns) {
  const auto rhythm =
      changes_.rhythm(mode_ == Mode::locked ? kLockedTolerancePercent : kTolerancePercent);
  if (rhythm && late_polls_ < 2) {
    mode_ = Mode::locked;
    period_ns_ = rhythm->period_ns;
    const std::int64_t next_ns = locked_ns(now_ns, *rhythm);
    if (late_polls_ < 2) return next_ns;
  }
  return after_a_sample_ns(now_ns, now_ns + unlocked_interval_ns(now_ns));
}

std::int64_t IntervalController::locked_ns(std::int64_t now_ns, const Rhythm& rhythm) {
  const std::int64_t margin_ns = std::max(delay_ns_, rhythm.spread_ns);
  const std::int64_t expected_ns = changes_.latest_ns() + rhythm.period_ns + margin_ns;
  if (now_ns >= expected_ns) {
    ++late_polls_;
    return now_ns + std::max(margin_ns, rhythm.period_ns / 10);
  }
  return next_multiple(expected_ns, rhythm.period_ns, now_ns + limits_.shortest.count());
}

// Each doubling of the changes that are known about this rate makes a better estimate of it.
std::int64_t IntervalController::held_interval_ns(std::int64_t now_ns) {
  if (steady_.is_set() && steady_.is_contradicted()) {
    rate_changes_ = std::min(rate_changes_, kGapsOfNewRate);
    settled_with_ = 0;
  }
  if (!steady_.is_set() || rate_changes_ >= 2 * settled_with_) {
    settled_with_ = std::max<std::size_t>(rate_changes_, 1);
    const std::size_t most_gaps = std::min(settled_with_, changes_.size() - 1);
    const auto gaps = static_cast<std::int64_t>(most_gaps);
    steady_.set((*changes_.mean_gap_ns(now_ns, most_gaps) * gaps + prior_ns_ * kPriorGaps) /
                (gaps + kPriorGaps));
  }
  return steady_.interval_ns();
}

std::int64_t IntervalController::unlocked_interval_ns(std::int64_t now_ns) {
  const auto mean_ns = changes_.mean_gap_ns(now_ns, kAllGaps);
  if (!mean_ns) {
    mode_ = Mode::learning;
    const std::int64_t interval_ns = blind_ns_;
    blind_ns_ = std::min(2 * blind_ns_, limits_.longest.count());
    return interval_ns;
  }
  const std::int64_t gap_ns = *changes_.median_gap_ns(), age_ns = now_ns - changes_.latest_ns();
  const bool is_bursty = changes_.size() > kFewestForBursts && *mean_ns > 3 * gap_ns;
  const bool has_stopped = is_bursty || late_polls_ >= 2;
  mode_ = has_stopped || age_ns > 8 * gap_ns ? Mode::quiet : Mode::steady;
  const std::int64_t held_ns = held_interval_ns(now_ns);
  if (has_stopped) return quiet_interval_ns(gap_ns, age_ns);
  return mode_ == Mode::quiet ? std::max(held_ns, quiet_interval_ns(gap_ns, age_ns)) : held_ns;
}

std::int64_t IntervalController::after_a_sample_ns(std::int64_t now_ns,
                                                   std::int64_t wanted_ns) const {
  const auto rhythm = samples_.rhythm(kSampleTolerancePercent);
  if (!rhythm) return wanted_ns;
  const std::int64_t first_ns = samples_.latest_ns() + std::max(delay_ns_, rhythm->spread_ns);
  const std::int64_t earliest_ns =
      next_multiple(first_ns, rhythm->period_ns, now_ns + limits_.shortest.count());
  // The nearest to what is wanted, and within the limit.
  std::int64_t nearest_ns =
      next_multiple(first_ns, rhythm->period_ns, wanted_ns - rhythm->period_ns / 2);
  if (nearest_ns > now_ns + limits_.longest.count()) nearest_ns -= rhythm->period_ns;
  return std::max(nearest_ns, earliest_ns);
}

std::int64_t IntervalController::counted_ns(const Finding& finding) {
  mode_ = Mode::counted;
  if (previous_poll_ns_ == 0) return blind_ns_;
  rate_.add(finding.poll_ns - previous_poll_ns_, !finding.changes_ns.empty());
  if (const auto gap_ns = rate_.mean_gap_ns()) {
    // Hysteresis: the estimate of a dozen polls is worth no more than a fifth.
    if (std::abs(*gap_ns - steady_.interval_ns()) > steady_.interval_ns() / 5) steady_.set(*gap_ns);
    return steady_.interval_ns();
  }
  blind_ns_ = std::min(2 * blind_ns_, limits_.longest.count());
  return blind_ns_;
}

std::string_view name_of(IntervalController::Mode mode) {
  switch (mode) {
    case IntervalController::Mode::learning:
      return "learning";
    case IntervalController::Mode::locked:
      return "locked";
    case IntervalController::Mode::steady:
      return "steady";
    case IntervalController::Mode::quiet:
      return "quiet";
    case IntervalController::Mode::counted:
      return "counted";
  }
  return "";
}

}  // namespace tl::pace
