#include "support/counting.hh"

#include <doctest/doctest.h>

namespace tl::test {
namespace {

std::vector<CounterPoint> open_points(const Counting::Points& points) {
  std::vector<CounterPoint> opened;
  for (const auto& [name, netns] : points) opened.push_back(open_point(name, netns->duplicate()));
  return opened;
}

CounterLayout with_refused(CounterLayout layout) {
  layout.refused = true;
  return layout;
}

}  // namespace

CounterLayout Counting::only_points() {
  CounterLayout layout;
  layout.count_unknown = false;
  return layout;
}

Counting::Counting(const Points& points, CounterLayout layout)
    : points_{open_points(points)}, session_{with_refused(std::move(layout))} {
  for (CounterPoint& point : points_)
    name_devices(point, session_.kernel(), LoopbackPorts::ignored);
  session_.kernel().count_refused();
  session_.start();
  const CounterKernel& kernel = session_.kernel();
  second_reader_.emplace(kernel.layout(), kernel.cpus(), kernel.memory(Hook::rx),
                         kernel.memory(Hook::tx), session_.first_epoch());
}

void Counting::drain() {
  session_.drain([this](const Bucket& bucket) { buckets_.push_back(bucket); });
  const std::uint64_t a_while = session_.kernel().layout().slots / 4;
  if (session_.end_epoch() > session_.first_epoch() + a_while)
    read_again_through(session_.end_epoch() - a_while - 1);
}

void Counting::read_again_through(std::uint64_t last_epoch) {
  const CounterGrid& grid = session_.grid();
  second_reader_->read_through(
      last_epoch, [&] { return grid.epoch_at(monotonic_ns()); },
      [this](const Bucket& now) {
        while (buckets_.at(next_again_).epoch < now.epoch) ++next_again_;
        if (buckets_[next_again_].epoch != now.epoch) return;  // an overrun of the first reader
        ++read_again_;
        if (buckets_[next_again_].series != now.series) ++late_;
      });
}

Counted Counting::finish() {
  session_.stop([this](const Bucket& bucket) { buckets_.push_back(bucket); });
  read_again_through(session_.end_epoch() - 1);
  CHECK(late_ == 0);
  const SeriesNames names = series_names(points_, session_.kernel());
  Counted counted;
  std::vector<CounterValues> sums(session_.kernel().layout().cells());
  for (const Bucket& bucket : buckets_) {
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += bucket.series[i];
    counted.total += total_of(bucket, names);
    for (const auto& [name, values] : devices_of(bucket, names)) counted.devices[name] += values;
    for (const auto& [name, values] : containers_of(bucket, names))
      counted.containers[name] += values;
    for (const auto& [name, values] : ports_of(bucket, names)) counted.ports[name] += values;
  }
  const std::vector<CounterValues> failed = session_.failed();
  for (std::size_t i = 1; i < names.devices.size(); ++i)
    counted.failed[names.devices[i].netns + "," + names.devices[i].device] += failed.at(i);
  for (CounterPoint& point : points_) point.devices_after = point.read_devices();
  counted.points = describe_points(points_, session_.totals(), failed);
  CHECK(sums == session_.totals());
  const nlohmann::json losses = session_.account().at("losses");
  CHECK(losses.at("overruns").empty());
  for (const char* kind : {"recursion_misses", "without_block"})
    for (const auto& [hook, number] : losses.at(kind).items()) CHECK(number == 0);
  counted.buckets = std::move(buckets_);
  return counted;
}

std::uint32_t Counting::series(const std::string& netns, const std::string& device) const {
  for (const CounterPoint& point : points_)
    for (std::size_t i = 0; i < point.series.size(); ++i)
      if (point.service == netns && point.devices_before[i].name == device) return point.series[i];
  FAIL("no device " << device << " in " << netns);
  return 0;
}

CounterValues frames(std::uint64_t rx, std::uint64_t tx, std::uint64_t frame_bytes) {
  return {.rx_bytes = rx * frame_bytes,
          .rx_packets = rx,
          .tx_bytes = tx * frame_bytes,
          .tx_packets = tx,
          .rx_wire_bytes = rx * frame_bytes,
          .rx_wire_packets = rx,
          .tx_wire_bytes = tx * frame_bytes,
          .tx_wire_packets = tx};
}

void check_statistics(const NetNs& netns, const std::string& device, const CounterValues& counted) {
  CAPTURE(device);
  const LinkStatistics s = statistics(netns, device);
  CHECK(s.rx_packets == counted.rx_packets);
  CHECK(s.rx_bytes == counted.rx_bytes);
  CHECK(s.tx_packets == counted.tx_packets);
  CHECK(s.tx_bytes == counted.tx_bytes);
}

LinkStatistics statistics(const NetNs& netns, const std::string& device) {
  for (const Link& link : netns.run([] { return list_links(); }))
    if (link.name == device) return link.statistics;
  FAIL("no device " << device);
  return {};
}

}  // namespace tl::test
