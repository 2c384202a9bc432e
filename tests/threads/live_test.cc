// What several threads use at once, for the thread sanitizer: instruments, their registry, and the
// server that collects while they change.
#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "base/http.hh"
#include "live/exposition.hh"
#include "live/metrics_server.hh"
#include "live/registry.hh"

using namespace tl::live;

namespace {

constexpr int kThreads = 4;
constexpr std::uint64_t kRounds = 2000;

template <class Work>
void in_threads(Work work) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([work, i] { work(i); });
}

}  // namespace

TEST_CASE("nothing that several threads count is lost, and every collection is consistent") {
  Registry registry;
  auto& packets = registry.counter({"packets_total", "Packets.", ""});
  auto& delay = registry.histogram({"delay_seconds", "Delay.", "seconds"}, {0.001, 0.01});
  auto& level = registry.gauge({"level_bytes", "Level.", "bytes"});
  {
    const std::jthread reader{[&](const std::stop_token& stop) {
      while (!stop.stop_requested())
        for (const Family& family : registry.collect())
          for (const Point& point : family.points)
            if (const auto* h = std::get_if<HistogramValue>(&point.value))
              CHECK(h->sum == doctest::Approx(0.002 * static_cast<double>(h->count())));
    }};
    in_threads([&](int thread) {
      for (std::uint64_t i = 0; i < kRounds; ++i) {
        packets.with({{"thread", std::to_string(thread)}}).inc();
        packets.with({{"thread", "all"}}).inc(2);
        delay.with({}).observe(0.002);
        level.with({}).add(1);
      }
    });
  }
  const std::string text = encode(registry.collect(), Format::text);
  CHECK(text.find("packets_total{thread=\"all\"} 16000\n") != std::string::npos);
  CHECK(text.find("packets_total{thread=\"3\"} 2000\n") != std::string::npos);
  CHECK(text.find("delay_seconds_count 8000\n") != std::string::npos);
  CHECK(text.find("level_bytes 8000\n") != std::string::npos);
}

TEST_CASE("scrapes while series come and go") {
  Registry registry;
  auto& rtt = registry.gauge({"rtt_seconds", "Round trip.", "seconds"});
  ServerOptions options;
  options.port = 0;
  const MetricsServer server{registry, options};
  in_threads([&](int thread) {
    for (int i = 0; i < 50; ++i) {
      const Labels labels{{"dest", std::to_string(thread) + "-" + std::to_string(i)}};
      rtt.with(labels).set(i);
      if (thread == 0) {
        tl::HttpClient client;
        tl::HttpRequest request;
        request.url = "http://127.0.0.1:" + std::to_string(server.port()) + "/metrics";
        CHECK(client.send(request).status == 200);
      }
      rtt.remove(labels);
    }
  });
}
