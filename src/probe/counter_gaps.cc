#include "probe/counter_gaps.hh"

#include <fmt/format.h>

#include <algorithm>

#include "probe/tcx.hh"

namespace tl {
namespace {

// More than the queue of any driver holds.
constexpr std::uint64_t kMostInFlight = 16'384;

bool wants(const CounterPoint& point, const std::string& device) {
  return std::any_of(point.devices_before.begin(), point.devices_before.end(),
                     [&](const Link& link) { return link.name == device; });
}

std::uint64_t sent_unseen(const Link* before, const Link& opened, const Link& closing,
                          const CounterValues& counted) {
  const bool was_quiet = before != nullptr && before->statistics == opened.statistics;
  const std::uint64_t sent = closing.statistics.tx_packets - opened.statistics.tx_packets;
  const std::uint64_t possible = counted.tx_wire_packets + (was_quiet ? 0 : kMostInFlight);
  return sent > possible ? sent - possible : 0;
}

class Finder {
 public:
  Finder(const CounterKernel& kernel, const std::vector<CounterValues>& totals)
      : lost_{kernel.lost_taps()}, totals_{totals}, counts_all_{kernel.layout().count_unknown} {}

  void watched(const CounterPoint& point, std::size_t i, const Link* before, const Link* opened,
               const Link* closing) {
    const Link& named = point.devices_before[i];
    const std::string name = point.service + " " + named.name;
    if (opened == nullptr || closing == nullptr)
      return note(name + ": went away; counted until then");
    if (std::find(lost_.begin(), lost_.end(), point.series[i]) != lost_.end())
      return was_away(name, point.counted_at[i]);
    if (point.counted_at[i] == CountedAt::tcx && !sends_what_tcx_sees(point.rtnetlink, *closing))
      missing(name +
              ": got a queue, filters or fewer offloads while counting; TX is what the stack "
              "sent, not what the driver got");
    if (closing->has_xdp)
      note(name + ": has an XDP program; what that drops or redirects is not counted");
    if (point.series[i] == TL_SERIES_OTHER) return;
    const std::uint64_t unseen =
        sent_unseen(before, *opened, *closing, totals_.at(point.series[i]));
    if (unseen != 0)
      missing(
          fmt::format("{}: sent at least {} packets that passed no queue and were not counted "
                      "(PACKET_QDISC_BYPASS, AF_XDP, XDP, pktgen)",
                      name, unseen));
  }

  void unwatched(const CounterPoint& point, const Link& link) {
    if (counts_all_ || link.statistics == LinkStatistics{}) return;
    missing(fmt::format("{} {}: appeared while counting; not counted", point.service, link.name));
  }

  std::vector<CounterGap> gaps;

 private:
  void was_away(const std::string& name, CountedAt place) {
    if (place == CountedAt::tcx)
      note(name + ": was in another namespace meanwhile; not counted there");
    else
      missing(name + ": was taken away and came back; not counted since");
  }
  void note(std::string text) { gaps.push_back({std::move(text), false}); }
  void missing(std::string text) { gaps.push_back({std::move(text), true}); }

  std::vector<std::uint32_t> lost_;
  const std::vector<CounterValues>& totals_;
  bool counts_all_;
};

}  // namespace

DeviceReading read_devices(const std::vector<CounterPoint>& points) {
  DeviceReading reading;
  for (const CounterPoint& point : points) reading.push_back(point.read_devices());
  return reading;
}

std::vector<CounterGap> find_gaps(const std::vector<CounterPoint>& points,
                                  const DeviceReadings& readings, const CounterKernel& kernel,
                                  const std::vector<CounterValues>& totals) {
  Finder finder{kernel, totals};
  for (std::size_t p = 0; p < points.size(); ++p) {
    const CounterPoint& point = points[p];
    const auto &before = readings.before_open[p], &opened = readings.after_open[p],
               &closing = readings.before_close[p];
    for (std::size_t i = 0; i < point.series.size(); ++i) {
      const int ifindex = point.devices_before[i].ifindex;
      finder.watched(point, i, find_link(before, ifindex), find_link(opened, ifindex),
                     find_link(closing, ifindex));
    }
    const bool wants_all = point.devices_before.size() >= before.size();
    for (const Link& link : closing)
      if (find_link(opened, link.ifindex) == nullptr && (wants_all || wants(point, link.name)))
        finder.unwatched(point, link);
  }
  return finder.gaps;
}

}  // namespace tl
