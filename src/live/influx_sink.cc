#include "base/clock.hh"
#include "live/influx_writer.hh"

namespace tl::live {

InfluxSink::InfluxSink(InfluxTarget target, WriterLimits limits, std::unique_ptr<PointQueue> queue)
    : writer_{std::move(target), limits, std::move(queue),
              [this](const WebRequest& request) { return client_.send(request); }},
      thread_{[this] { serve(); }} {}

InfluxSink::~InfluxSink() { stop(std::chrono::nanoseconds{0}); }

void InfluxSink::accept(const std::vector<InfluxPoint>& points) {
  writer_.accept(points);
  const std::lock_guard lock{mutex_};
  has_news_ = true;
  wake_.notify_all();
}

void InfluxSink::stop(std::chrono::nanoseconds limit) {
  {
    const std::lock_guard lock{mutex_};
    if (!is_stopping_) stop_at_ns_ = monotonic_ns() + limit.count();
    is_stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void InfluxSink::serve() {
  std::unique_lock lock{mutex_};
  while (true) {
    has_news_ = false;
    const bool flush = is_stopping_;
    if (flush && monotonic_ns() >= stop_at_ns_) return;
    lock.unlock();
    const std::int64_t now_ns = monotonic_ns();
    const auto again_ns = writer_.step(now_ns, realtime_ns() / 1'000'000'000, flush);
    lock.lock();
    if (flush && !again_ns && writer_.counters().waiting == 0) return;
    std::int64_t until_ns = again_ns.value_or(now_ns + 3'600'000'000'000);
    if (flush) until_ns = std::min(until_ns, stop_at_ns_);
    const auto wait = std::chrono::nanoseconds{until_ns - monotonic_ns()};
    // News may fill a batch; it does not shorten a backoff, which the writer keeps by itself.
    wake_.wait_for(lock, wait, [&] { return has_news_ || is_stopping_ != flush; });
  }
}

Registry::Collector influx_collector(const InfluxSink& sink) {
  return [&sink] {
    const WriterCounters c = sink.counters();
    const auto counter = [](const char* name, const char* help, std::uint64_t value) {
      return Family{name, help, Type::counter, "", {number_point({}, value)}};
    };
    Family points{
        "trafficlab_influx_points", "Points by what became of them.", Type::counter, "", {}};
    for (const auto& [outcome, value] : {std::pair{"written", c.written},
                                         {"rejected", c.rejected},
                                         {"dropped", c.dropped},
                                         {"refused", c.refused}})
      points.points.push_back(number_point({{"outcome", outcome}}, value));
    return std::vector<Family>{
        points,
        {"trafficlab_influx_waiting_points",
         "Points not yet delivered.",
         Type::gauge,
         "",
         {number_point({}, c.waiting)}},
        counter("trafficlab_influx_requests", "Write requests sent.", c.requests),
        counter("trafficlab_influx_retries", "Write requests to be sent again.", c.retries),
        counter("trafficlab_influx_splits", "Batches halved after HTTP 413.", c.splits),
        counter("trafficlab_influx_omitted_fields", "Fields that were not numbers.",
                c.omitted_fields)};
  };
}

}  // namespace tl::live
