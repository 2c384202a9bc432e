// When to ask for one series again. Pure: it owns no clock; all times are nanoseconds on the clock
// of the samples.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "pace/change_history.hh"
#include "pace/change_rate.hh"
#include "pace/steady_interval.hh"

namespace tl::pace {

struct PaceLimits {
  std::chrono::nanoseconds shortest{1'000'000'000};
  std::chrono::nanoseconds longest{120'000'000'000};
  std::chrono::nanoseconds first{15'000'000'000};  // while nothing is known
};

// What one poll showed about one series.
struct Finding {
  std::int64_t poll_ns = 0;              // when the server evaluated it
  std::vector<std::int64_t> samples_ns;  // stored since the poll before, ascending
  std::vector<std::int64_t> changes_ns;  // those of them whose value differs from the one before
  // False when the server cannot say when samples were stored (an expression, not a selector):
  // then it counts only whether there is a change at all.
  bool is_exact = true;
  // The answer to Ask::value: at most one change is known, and not when it was.
  bool is_value_only = false;
  // Samples between the poll before and these were not fetched.
  bool has_hole = false;
};

// What the next poll should ask for.
enum class Ask : std::uint8_t {
  samples,        // everything stored since the poll before
  changes_first,  // probably nothing: whether there is a change, and the samples only if so
  value,          // the latest value: the samples between would cost more than they tell
};

// Follows the series' own changes:
// - regular changes: one poll just after each expected change, and one more when it is late;
// - irregular changes: one poll per mean gap. On a memoryless source every deviation from a
// constant
//   interval costs freshness, so it is held until the number of changes contradicts it by four
//   standard deviations;
// - a burst that has ended, and whatever is quiet: intervals grow with the cube root of the
// silence;
// - never a change: intervals double.
// Where samples are stored in a regular rhythm (a scrape), polls go just after a sample.
class IntervalController {
 public:
  enum class Mode : std::uint8_t { learning, locked, steady, quiet, counted };

  explicit IntervalController(PaceLimits limits);

  // Learns from a poll and says when the next one is due: after `shortest`, before `longest`.
  std::int64_t next_poll_ns(const Finding& finding);
  [[nodiscard]] Mode mode() const { return mode_; }
  [[nodiscard]] Ask ask() const;
  // The rhythm of the changes while locked.
  [[nodiscard]] std::int64_t period_ns() const { return period_ns_; }

 private:
  void learn(const Finding& finding);
  void learn_delay(const Finding& finding);
  [[nodiscard]] std::int64_t wanted_ns(std::int64_t now_ns);
  [[nodiscard]] std::int64_t locked_ns(std::int64_t now_ns, const Rhythm& rhythm);
  [[nodiscard]] std::int64_t unlocked_interval_ns(std::int64_t now_ns);
  [[nodiscard]] std::int64_t after_a_sample_ns(std::int64_t now_ns, std::int64_t wanted_ns) const;
  std::int64_t counted_ns(const Finding& finding);
  [[nodiscard]] std::int64_t held_interval_ns(std::int64_t now_ns);

  PaceLimits limits_;
  ChangeHistory changes_, samples_;
  ChangeRate rate_;
  Mode mode_ = Mode::learning;
  std::int64_t delay_ns_;  // from a sample's time until a poll can see it
  SteadyInterval steady_;
  std::size_t rate_changes_ = 0;      // known changes at the present rate
  std::size_t settled_with_ = 0;      // of them when the steady interval was chosen
  std::int64_t values_only_ = 0;      // polls since samples were asked for
  std::int64_t values_allowed_ = 16;  // before samples are looked at again; doubles
  std::int64_t blind_ns_;             // the interval while nothing is known
  std::int64_t prior_ns_;             // what a gap is taken for before any is known
  std::int64_t previous_poll_ns_ = 0;
  std::int64_t period_ns_ = 0;
  int late_polls_ = 0;  // since an expected change did not come
};

std::string_view name_of(IntervalController::Mode mode);

}  // namespace tl::pace
