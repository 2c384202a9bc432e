// Writes COUNT points of five fields to a database through the writer, as qos does, and prints how
// long it took until the server had all of them. Run by run.py.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "base/clock.hh"
#include "live/influx_writer.hh"

using namespace tl::live;

namespace {

InfluxPoint point(std::int64_t i, std::int64_t begin_ns) {
  const auto x = static_cast<double>(i % 1000);
  return {
      "bench",
      {{"target", "lab" + std::to_string(i % 10)}, {"writer", "trafficlab"}},
      {{"avg_ms", x * 0.37}, {"min_ms", x * 0.11}, {"max_ms", x * 1.7}, {"sent", i}, {"ok", 1.0}},
      begin_ns + i * 1'000'000};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: bench_influx URL COUNT\n", stderr), 2;
  InfluxTarget target;
  target.url = argv[1];
  target.version = InfluxVersion::v1;
  target.database = "bench";
  const std::int64_t count = std::atoll(argv[2]);
  const std::int64_t begin_ns = tl::realtime_ns() - count * 1'000'000;
  const std::int64_t start_ns = tl::monotonic_ns();
  InfluxSink sink{target, {}, memory_queue(1ULL << 30)};
  std::vector<InfluxPoint> points;
  for (std::int64_t i = 0; i < count; ++i) {
    points.push_back(point(i, begin_ns));
    if (points.size() < 1000) continue;
    sink.accept(points);
    points.clear();
  }
  sink.accept(points);
  sink.stop(std::chrono::minutes{2});
  const double seconds = static_cast<double>(tl::monotonic_ns() - start_ns) / 1e9;
  const WriterCounters c = sink.counters();
  fmt::print("{{\"seconds\": {}, \"written\": {}, \"requests\": {}}}\n", seconds, c.written,
             c.requests);
  return c.written == static_cast<std::uint64_t>(count) ? 0 : 1;
}
