#include "probe/counter_stream.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/messages.hh"
#include "base/privileges.hh"
#include "base/signals.hh"
#include "base/units.hh"
#include "probe/counter_gaps.hh"
#include "probe/counter_points.hh"
#include "probe/output_queue.hh"

namespace tl {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kFlushLimit{5};
constexpr std::chrono::hours kForever{24 * 365};
// Of devices that nobody named. Below a millisecond fewer, so that the ring holds enough buckets.
constexpr std::uint32_t kDeviceSeries = 256, kDeviceSeriesOfShortBuckets = 64;
constexpr milliseconds kShortBucket{1};

class CounterStream {
 public:
  explicit CounterStream(CounterStreamOptions options)
      : options_{std::move(options)},
        output_{open_output()},
        points_{open_points()},
        session_{layout()} {
    for (CounterPoint& point : points_)
      name_devices(point, session_.kernel(), LoopbackPorts::counted);
    if (shows_offered()) session_.kernel().count_refused();
    drop_capabilities();  // everything that needs them is open
  }

  ExitCode run() {
    readings_.before_open = read_devices(points_);
    session_.start();
    readings_.after_open = read_devices(points_);
    print_message("counters: armed, {}\n", options_.duration
                                               ? "for " + format_duration(*options_.duration)
                                               : std::string{"until Ctrl-C"});
    writer_.emplace(options_.format, options_.kind, session_.grid(), session_.first_epoch(),
                    options_.offered);
    OutputQueue queue{output_.valid() ? output_.get() : STDOUT_FILENO};
    queue.push(writer_->header(), 0);
    const Deadline end{options_.duration ? *options_.duration : std::chrono::nanoseconds{kForever}};
    while (!end.passed() && queue.error() == 0 &&
           !stop_.wait(Deadline{std::min<std::chrono::nanoseconds>(
               session_.drain_step(), milliseconds{end.remaining_ms()})}))
      drain(
          queue, [&](const auto& keep) { session_.drain(keep); }, false);
    readings_.before_close = read_devices(points_);
    session_.close();
    drain(
        queue, [&](const auto& keep) { session_.stop(keep); }, true);
    queue.finish(Deadline{kFlushLimit});
    return account(queue);
  }

 private:
  [[nodiscard]] bool shows_offered() const { return options_.offered == Offered::shown; }

  [[nodiscard]] UniqueFd open_output() const {
    if (options_.output.empty()) return UniqueFd{};
    return open_fd(options_.output, O_WRONLY | O_CREAT | O_TRUNC);
  }

  std::vector<CounterPoint> open_points() {
    std::vector<CounterPoint> points;
    for (WatchedNamespace& point : options_.points) {
      // A namespace that several containers or processes share is counted once, under its first
      // name.
      const auto shares = [&](const CounterPoint& p) {
        return p.netns.inode() == point.netns.inode();
      };
      if (std::any_of(points.begin(), points.end(), shares)) continue;
      points.push_back(open_point(point.name, std::move(point.netns)));
      if (options_.interface.empty()) continue;
      std::vector<Link>& devices = points.back().devices_before;
      std::erase_if(devices, [this](const Link& link) { return link.name != options_.interface; });
      if (devices.empty())
        throw UsageError{
            fmt::format("--interface {}: {} has no such device", options_.interface, point.name)};
    }
    return points;
  }

  // Without unknown devices fewer series are needed, and the ring holds more buckets.
  [[nodiscard]] CounterLayout layout() const {
    CounterLayout layout;
    layout.interval_ns = options_.interval.count();
    layout.ports = options_.ports;
    layout.count_unknown = !options_.only_points;
    layout.offered = layout.refused = shows_offered();
    layout.device_series = 1;
    for (const CounterPoint& point : points_)
      layout.device_series += static_cast<std::uint32_t>(point.devices_before.size());
    const std::uint32_t room =
        options_.interval < kShortBucket ? kDeviceSeriesOfShortBuckets : kDeviceSeries;
    if (!options_.only_points) layout.device_series = std::max(room, layout.device_series);
    return layout;
  }

  // Prints what `read` hands on. The last bucket handed on `at_end` was still being filled, as the
  // first one had begun before the gate opened.
  template <class Read>
  void drain(OutputQueue& queue, Read&& read, bool at_end) {
    SeriesNames names = series_names(points_, session_.kernel());
    for (DeviceName& device : names.devices)  // a namespace that nobody named goes by its number
      if (device.service.empty()) device.service = device.netns;
    std::string text;
    std::uint64_t rows = 0;
    std::optional<Bucket> held;
    const auto print = [&](const Bucket& bucket, bool is_last) {
      rows +=
          writer_->write(bucket, names, is_last || bucket.epoch == session_.first_epoch(), text);
      ++buckets_;
    };
    read([&](const Bucket& bucket) {
      if (held) print(*held, false);
      held = bucket;
    });
    if (held) print(*held, at_end);
    if (!text.empty()) queue.push(std::move(text), rows);
  }

  CounterValues sum_of_devices(const std::vector<CounterValues>& series) {
    CounterValues sum;
    for (std::size_t i = 0; i < session_.kernel().layout().device_series; ++i) sum += series.at(i);
    return sum;
  }

  ExitCode account(const OutputQueue& queue) {
    const nlohmann::json losses = session_.account().at("losses");
    const std::size_t overruns = losses.at("overruns").size();
    std::uint64_t missed = 0;
    for (const char* kind : {"recursion_misses", "without_block"})
      for (const auto& [hook, number] : losses.at(kind).items())
        missed += number.is_number() ? number.get<std::uint64_t>() : 0;
    const std::vector<CounterValues> totals = session_.totals();
    const CounterValues sum = sum_of_devices(totals);
    print_message(
        "counters: {} buckets of {}; RX {} bytes in {} packets, TX {} bytes in {} packets; {} "
        "events missed, {} gaps, {} rows not written\n",
        buckets_, format_duration(options_.interval), sum.rx_bytes, sum.rx_packets, sum.tx_bytes,
        sum.tx_packets, missed, overruns, queue.dropped_rows());
    if (shows_offered()) {
      const CounterValues offered = sum_of_devices(session_.offered());
      const CounterValues refused = sum_of_devices(session_.failed());
      print_message(
          "counters: offered {} bytes in {} packets, refused by drivers {} bytes in {} packets\n",
          offered.tx_bytes, offered.tx_packets, refused.tx_bytes, refused.tx_packets);
    }
    bool is_complete = missed == 0 && overruns == 0 && queue.dropped_rows() == 0;
    for (const CounterGap& gap : find_gaps(points_, readings_, session_.kernel(), totals)) {
      print_message("counters: {}\n", gap.text);
      is_complete = is_complete && !gap.is_missing;
    }
    if (queue.error() == EPIPE) return ExitCode::pass;  // the reader has had enough
    if (queue.error() != 0) throw MachineError{"write the rows: " + errno_text(queue.error())};
    return is_complete ? ExitCode::pass : ExitCode::inconclusive;
  }

  StopSignals stop_;  // before any thread
  CounterStreamOptions options_;
  UniqueFd output_;
  std::vector<CounterPoint> points_;
  CounterSession session_;
  DeviceReadings readings_;
  std::optional<RowWriter> writer_;
  std::uint64_t buckets_ = 0;
};

}  // namespace

ExitCode stream_counters(CounterStreamOptions options) {
  return CounterStream{std::move(options)}.run();
}

}  // namespace tl
