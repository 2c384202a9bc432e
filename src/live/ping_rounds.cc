#include "live/ping_rounds.hh"

#include <algorithm>

#include "probe/ping_statistics.hh"

namespace tl::live {

PingRounds::PingRounds(Registry& registry, PingPlan plan, Ping ping)
    : plan_{std::move(plan)},
      ping_{std::move(ping)},
      average_ms_{registry.gauge(
          {"avg_rtt", "Mean round trip of the latest five pings in ms; 0: none answered.", ""})},
      rtt_{registry.histogram(
          {"trafficlab_ping_rtt_seconds", "Round trip time of every answered ping.", "seconds"},
          rtt_buckets_seconds())},
      requests_{registry.counter({"trafficlab_ping_requests", "Pings attempted.", ""})},
      responses_{registry.counter({"trafficlab_ping_responses", "Pings answered in time.", ""})},
      duplicates_{registry.counter({"trafficlab_ping_duplicates", "Further answers.", ""})},
      send_errors_{registry.counter(
          {"trafficlab_ping_send_errors", "Pings that the kernel refused to send.", ""})},
      loss_{registry.gauge({"trafficlab_ping_loss_ratio",
                            "Unanswered share of the latest round, 0 to 1.", "ratio"})},
      success_{registry.gauge(
          {"trafficlab_probe_success", "1: the latest round got at least one answer.", ""})},
      last_run_{registry.gauge({"trafficlab_probe_last_run_timestamp_seconds",
                                "When the latest round ended.", "seconds"})} {
  std::sort(plan_.destinations.begin(), plan_.destinations.end());
  plan_.destinations.erase(std::unique(plan_.destinations.begin(), plan_.destinations.end()),
                           plan_.destinations.end());
  for (const std::string& destination : plan_.destinations)
    threads_.emplace_back([this, destination] { serve(destination); });
}

PingRounds::~PingRounds() {
  {
    const std::lock_guard lock{mutex_};
    is_stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void PingRounds::serve(const std::string& destination) {
  auto due = std::chrono::steady_clock::now();
  std::unique_lock lock{mutex_};
  while (!is_stopping_) {
    lock.unlock();
    record(destination, ping_(destination, plan_.round));
    lock.lock();
    // Counted from the start, so the schedule does not drift; a round that took too long skips.
    const auto now = std::chrono::steady_clock::now();
    while (due <= now) due += plan_.every;
    wake_.wait_until(lock, due, [this] { return is_stopping_; });
  }
}

void PingRounds::record(const std::string& destination, const PingResult& result) {
  const Labels labels{{"dest", destination}};
  for (const PingReply& reply : result.replies)
    rtt_.with(labels).observe(std::chrono::duration<double>{reply.rtt}.count());
  average_ms_.with(labels).set(summarise(result).average_ms.value_or(0));
  requests_.with(labels).inc(static_cast<std::uint64_t>(result.attempts));
  responses_.with(labels).inc(static_cast<std::uint64_t>(result.received));
  duplicates_.with(labels).inc(static_cast<std::uint64_t>(result.duplicates));
  send_errors_.with(labels).inc(static_cast<std::uint64_t>(result.send_errors));
  loss_.with(labels).set(result.loss_ratio());
  success_.with({{"dest", destination}, {"probe", "ping"}}).set(result.ok() ? 1 : 0);
  last_run_.with({{"dest", destination}, {"probe", "ping"}}).set_to_current_time();
}

}  // namespace tl::live
