#include "support/rtt_run.hh"

namespace tl::test {
namespace {

std::string broken(const RttStatistics& s, std::uint64_t unanswered) {
  const RttCounters& c = s.counters;
  const auto of = [&](RttMethod method) { return c.samples[static_cast<std::size_t>(method)]; };
  if (c.segments != c.answered + unanswered + c.abandoned + c.forgotten)
    return "segments are lost or counted twice";
  if (c.answered != c.answers()) return "answered segments without a reason, or with two";
  if (s.rtt.count() != of(RttMethod::syn) + of(RttMethod::ack) + of(RttMethod::sack))
    return "the distribution does not hold every sample";
  if (s.ts.count() != of(RttMethod::ts) || s.full.count() != of(RttMethod::full))
    return "a cross-check's distribution does not hold every sample";
  return "";
}

}  // namespace

RttRun::RttRun(std::unique_ptr<ByteSource> source, const RttOptions& options,
               std::uint32_t most_flows)
    : reader_{std::move(source), "test"}, pass_{reader_, most_flows}, observer_{options} {
  observer_.table().send_samples_to(this);
  pass_.add(observer_);
  (void)pass_.run();
}

std::vector<std::int64_t> RttRun::samples(RttEnd end, RttMethod method) const {
  std::vector<std::int64_t> list;
  for (const RttEvent& event : events_)
    if (event.end == end && event.sample.method == method) list.push_back(event.sample.rtt_ns);
  return list;
}

RttCounters RttRun::counters(RttEnd end) const {
  return table().totals()[static_cast<std::size_t>(end)].counters;
}

RttCounters RttRun::counters() const {
  RttCounters sum = counters(RttEnd::server);
  return sum += counters(RttEnd::client);
}

std::string RttRun::broken_identity() const {
  for (std::uint32_t i = 0; i < table().size(); ++i) {
    if (table().flow(i) == nullptr) continue;
    for (const RttHalf& half : table().flow(i)->halves)
      if (const auto what = broken(half.statistics(), half.unanswered()); !what.empty())
        return what;
  }
  const auto totals = table().totals();
  for (const RttEnd end : {RttEnd::server, RttEnd::client})
    if (const auto what = broken(totals[static_cast<std::size_t>(end)], table().unanswered(end));
        !what.empty())
      return "in the sums: " + what;
  return "";
}

}  // namespace tl::test
