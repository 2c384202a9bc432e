#include "support/change_traces.hh"

#include <algorithm>
#include <cmath>
#include <random>

namespace tl::test {
namespace {

ChangeTrace named(std::string name) { return {std::move(name), {}}; }

// Adds changes every `gap_ns` in [begin, end).
void add_every(ChangeTrace& trace, std::int64_t begin_ns, std::int64_t end_ns,
               std::int64_t gap_ns) {
  for (std::int64_t at = begin_ns; at < end_ns; at += gap_ns) trace.changes_ns.push_back(at);
}

// When a poll can see each change first: at once, or in the next stored sample.
std::vector<std::int64_t> visible_times(const VirtualServer& server) {
  std::vector<std::int64_t> times = server.trace.changes_ns;
  if (server.scrape_ns == 0) return times;
  for (std::int64_t& at : times)
    at = (at + server.scrape_ns - 1) / server.scrape_ns * server.scrape_ns;
  times.erase(std::unique(times.begin(), times.end()), times.end());
  return times;
}

std::vector<std::int64_t> between(const std::vector<std::int64_t>& times, std::int64_t after_ns,
                                  std::int64_t until_ns) {
  return {std::upper_bound(times.begin(), times.end(), after_ns),
          std::upper_bound(times.begin(), times.end(), until_ns)};
}

}  // namespace

ChangeTrace periodic_trace(std::int64_t period_s, std::int64_t jitter_ms) {
  ChangeTrace trace = named("periodic " + std::to_string(period_s) + " s" +
                            (jitter_ms > 0 ? " ± " + std::to_string(jitter_ms) + " ms" : ""));
  add_every(trace, 3'200'000'000, kTraceEndNs, period_s * kSecondNs);
  std::mt19937_64 random{7};
  std::uniform_int_distribution<std::int64_t> jitter{-jitter_ms * 1'000'000, jitter_ms * 1'000'000};
  for (std::int64_t& at : trace.changes_ns) at += jitter(random);
  return trace;
}

ChangeTrace poisson_trace(std::int64_t mean_s, std::uint64_t seed) {
  ChangeTrace trace = named("poisson " + std::to_string(mean_s) + " s");
  std::mt19937_64 random{seed};
  std::exponential_distribution<double> gap{1.0 / static_cast<double>(mean_s)};
  for (double at = gap(random); at < 6 * 3600; at += gap(random))
    trace.changes_ns.push_back(static_cast<std::int64_t>(at * 1e9));
  return trace;
}

ChangeTrace burst_trace() {
  ChangeTrace trace = named("bursts: 300 s every 2 s, 1200 s none");
  for (std::int64_t begin_s = 1; begin_s < 6 * 3600; begin_s += 1500)
    add_every(trace, begin_s * kSecondNs,
              std::min(begin_s + 300, std::int64_t{6 * 3600}) * kSecondNs, 2 * kSecondNs);
  return trace;
}

ChangeTrace regime_trace() {
  ChangeTrace trace = named("regime: every 5 s, then every 120 s");
  add_every(trace, kSecondNs, kTraceEndNs / 2, 5 * kSecondNs);
  add_every(trace, kTraceEndNs / 2 + kSecondNs, kTraceEndNs, 120 * kSecondNs);
  return trace;
}

ChangeTrace constant_trace() { return named("constant"); }

std::vector<ChangeTrace> all_traces() {
  return {periodic_trace(15), periodic_trace(60), poisson_trace(60),
          burst_trace(),      regime_trace(),     constant_trace()};
}

WireModel measured_wire() { return {391, 386, 289, 400, 25, 435, 5}; }

std::uint64_t WireModel::range_bytes(std::size_t samples) const {
  if (samples == 0) return empty_range_bytes;
  return std::min(plain_range_bytes + plain_sample_bytes * (samples - 1),
                  gzip_range_bytes + gzip_sample_bytes * (samples - 1));
}

pace::FreshnessSummary poll_fixed(const VirtualServer& server, std::int64_t interval_ns,
                                  std::int64_t phase_ns) {
  const auto times = visible_times(server);
  const WireModel wire = measured_wire();
  pace::Freshness account;
  std::int64_t previous_ns = 0;
  for (std::int64_t now = phase_ns; now < kTraceEndNs; now += interval_ns) {
    account.add({now, wire.instant_bytes, false, between(times, previous_ns, now), false});
    previous_ns = now;
  }
  return account.summary();
}

namespace {

// The longest window that samples are fetched for after polls that asked for values only.
constexpr std::int64_t kMostCatchUpNs = 600 * kSecondNs;

std::vector<std::int64_t> samples_between(const VirtualServer& server,
                                          const std::vector<std::int64_t>& changes,
                                          std::int64_t after_ns, std::int64_t until_ns) {
  if (server.scrape_ns == 0) return changes;
  std::vector<std::int64_t> samples;
  for (std::int64_t at = (after_ns / server.scrape_ns + 1) * server.scrape_ns; at <= until_ns;
       at += server.scrape_ns)
    samples.push_back(at);
  return samples;
}

}  // namespace

pace::FreshnessSummary poll_adaptive(const VirtualServer& server, const pace::PaceLimits& limits) {
  const auto times = visible_times(server);
  const WireModel wire = measured_wire();
  pace::IntervalController controller{limits};
  pace::Freshness account;
  std::int64_t previous_ns = 0, fetched_ns = 0;
  for (std::int64_t now = kSecondNs; now < kTraceEndNs;) {
    const auto changes = between(times, previous_ns, now);
    const pace::Ask ask = controller.ask();
    pace::Finding finding;
    finding.poll_ns = now;
    std::uint64_t bytes = ask == pace::Ask::changes_first ? wire.probe_bytes : 0;
    if (ask == pace::Ask::value) {
      bytes += wire.instant_bytes;
      finding.is_value_only = true;
      if (!changes.empty()) finding.changes_ns = {changes.back()};
    } else {
      const std::int64_t from_ns = std::max(fetched_ns, now - kMostCatchUpNs);
      finding.has_hole = from_ns > fetched_ns && fetched_ns > 0;
      finding.changes_ns = between(times, from_ns, now);
      finding.samples_ns = samples_between(server, finding.changes_ns, from_ns, now);
      if (ask == pace::Ask::samples || !changes.empty())
        bytes += wire.range_bytes(finding.samples_ns.size());
      fetched_ns = now;
    }
    account.add({now, bytes, false, changes, ask != pace::Ask::value});
    previous_ns = now;
    now = controller.next_poll_ns(finding);
  }
  return account.summary();
}

EqualBytes fixed_at_equal_bytes(const VirtualServer& server, std::uint64_t wire_bytes) {
  const std::uint64_t polls =
      std::max<std::uint64_t>(1, wire_bytes / measured_wire().instant_bytes);
  EqualBytes result;
  result.interval_ns = kTraceEndNs / static_cast<std::int64_t>(polls);
  constexpr std::int64_t kPhases = 32;
  std::uint64_t changes = 0, missed = 0;
  for (std::int64_t i = 0; i < kPhases; ++i) {
    const auto one = poll_fixed(server, result.interval_ns,
                                1 + result.interval_ns * (2 * i + 1) / (2 * kPhases));
    result.mean_ns += one.mean_ns / kPhases;
    changes += one.changes;
    missed += one.missed_changes;
  }
  if (changes > 0) result.missed_ratio = static_cast<double>(missed) / static_cast<double>(changes);
  return result;
}

}  // namespace tl::test
