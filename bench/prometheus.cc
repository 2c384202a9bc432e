// Exposition of 10,000 series beside prometheus-cpp (same content, same run, alternating), and how
// long a scrape over HTTP takes with 1,000 series and four dead ping targets.
// Usage: bench_prometheus [ROUNDS]
#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/clock.hh"
#include "base/curl.hh"
#include "live/exposition.hh"
#include "live/metrics_server.hh"
#include "live/ping_rounds.hh"

namespace {

constexpr int kCounters = 4000, kGauges = 4000, kHistograms = 200;     // of 10 lines: 10,000 series
const std::vector<double> kBounds{0.005, 0.01, 0.05, 0.1, 0.5, 1, 5};  // +Inf, sum and count: 10

double value_of(int i) { return 0.001 * i + 1.0 / (i + 3); }

void fill(tl::live::Registry& ours, int counters, int gauges, int histograms) {
  auto& c = ours.counter({"bench_packets_total", "Packets.", ""});
  for (int i = 0; i < counters; ++i)
    c.with({{"device", fmt::format("veth{}", i)}, {"direction", "receive"}})
        .inc(static_cast<std::uint64_t>(i) * 7919);
  auto& g = ours.gauge({"bench_level_ratio", "Level.", ""});
  for (int i = 0; i < gauges; ++i)
    g.with({{"device", fmt::format("veth{}", i)}, {"queue", "0"}}).set(value_of(i));
  auto& h = ours.histogram({"bench_rtt_seconds", "Rtt.", ""}, kBounds);
  for (int i = 0; i < histograms; ++i)
    h.with({{"dest", fmt::format("198.18.{}.1", i)}}).observe(value_of(i));
}

void fill(prometheus::Registry& theirs) {
  auto& c =
      prometheus::BuildCounter().Name("bench_packets_total").Help("Packets.").Register(theirs);
  for (int i = 0; i < kCounters; ++i)
    c.Add({{"device", fmt::format("veth{}", i)}, {"direction", "receive"}})
        .Increment(static_cast<double>(i) * 7919);
  auto& g = prometheus::BuildGauge().Name("bench_level_ratio").Help("Level.").Register(theirs);
  for (int i = 0; i < kGauges; ++i)
    g.Add({{"device", fmt::format("veth{}", i)}, {"queue", "0"}}).Set(value_of(i));
  auto& h = prometheus::BuildHistogram().Name("bench_rtt_seconds").Help("Rtt.").Register(theirs);
  for (int i = 0; i < kHistograms; ++i)
    h.Add({{"dest", fmt::format("198.18.{}.1", i)}}, kBounds).Observe(value_of(i));
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(q * static_cast<double>(values.size())))];
}

template <class Work>
double timed_ms(Work&& work) {
  const std::int64_t begin_ns = tl::monotonic_ns();
  work();
  return static_cast<double>(tl::monotonic_ns() - begin_ns) / 1e6;
}

auto lines(const std::string& page) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < page.size(); at = page.find('\n', at) + 1) count += page[at] != '#';
  return count;
}

void compare_exposition(int rounds) {
  tl::live::Registry ours;
  fill(ours, kCounters, kGauges, kHistograms);
  prometheus::Registry theirs;
  fill(theirs);
  const prometheus::TextSerializer serializer;
  std::string our_page, their_page;
  std::vector<double> our_ms, their_ms, openmetrics_ms, protobuf_ms;
  for (int i = 0; i < rounds; ++i) {
    our_ms.push_back(timed_ms([&] {
      our_page = tl::live::encode(ours.collect(), tl::live::Format::text, {.created = false});
    }));
    their_ms.push_back(timed_ms([&] { their_page = serializer.Serialize(theirs.Collect()); }));
    openmetrics_ms.push_back(
        timed_ms([&] { (void)tl::live::encode(ours.collect(), tl::live::Format::openmetrics); }));
    protobuf_ms.push_back(
        timed_ms([&] { (void)tl::live::encode(ours.collect(), tl::live::Format::protobuf); }));
  }
  fmt::print(
      "text page: trafficlab {} lines, median {:.2f} ms; prometheus-cpp {} lines, median {:.2f} "
      "ms; {:.2f} times as fast ({} rounds)\n",
      lines(our_page), quantile(our_ms, 0.5), lines(their_page), quantile(their_ms, 0.5),
      quantile(their_ms, 0.5) / quantile(our_ms, 0.5), rounds);
  fmt::print("trafficlab OpenMetrics (with created) median {:.2f} ms, protobuf {:.2f} ms\n",
             quantile(openmetrics_ms, 0.5), quantile(protobuf_ms, 0.5));
}

std::size_t discard(char*, std::size_t, std::size_t size, void*) { return size; }

void time_scrapes(int scrapes) {
  tl::live::Registry registry;
  fill(registry, 600, 400, 0);
  tl::live::ServerOptions options;
  options.port = 0;
  const tl::live::MetricsServer server{registry, options};
  tl::live::PingPlan plan;
  plan.destinations = {"198.18.200.1", "198.18.200.2", "198.18.200.3", "198.18.200.4"};
  plan.every = std::chrono::seconds{1};
  const tl::live::PingRounds pings{registry, plan};
  const std::string url = fmt::format("http://127.0.0.1:{}/metrics", server.port());
  std::vector<double> took_ms;
  for (int i = 0; i < scrapes; ++i) {
    const tl::CurlEasy handle = tl::curl_handle();
    tl::curl_set<CURLOPT_URL>(handle.get(), url.c_str());
    tl::curl_set<CURLOPT_WRITEFUNCTION>(handle.get(), discard);
    took_ms.push_back(timed_ms([&] {
      if (tl::curl().easy_perform(handle.get()) != CURLE_OK) std::exit(1);
    }));
  }
  fmt::print(
      "scrape of 1,000 series over HTTP (a new connection each), four dead ping targets: p50 "
      "{:.2f} ms, p99 {:.2f} ms, max {:.2f} ms ({} scrapes)\n",
      quantile(took_ms, 0.5), quantile(took_ms, 0.99), quantile(took_ms, 1), scrapes);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 51;
  compare_exposition(rounds);
  time_scrapes(20 * rounds);
  return 0;
}
