// Pings in the background: one thread a destination, so that a dead one never delays another, and
// never the scrape. What scrapes see is the state after the latest finished round.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "live/registry.hh"
#include "probe/ping.hh"

namespace tl::live {

struct PingPlan {
  std::vector<std::string> destinations;
  PingOptions round;                        // five requests
  std::chrono::milliseconds every{10'000};  // from start to start of a round
};

class PingRounds {
 public:
  using Ping = std::function<PingResult(const std::string& destination, const PingOptions&)>;

  // Registers its families and starts. `registry` must outlive this object.
  PingRounds(Registry& registry, PingPlan plan, Ping ping = tl::ping);
  // Waits for the rounds in progress: at most one round's length.
  ~PingRounds();
  PingRounds(const PingRounds&) = delete;
  PingRounds& operator=(const PingRounds&) = delete;

 private:
  void serve(const std::string& destination);
  void record(const std::string& destination, const PingResult& result);

  PingPlan plan_;
  Ping ping_;
  Vector<Gauge>& average_ms_;  // avg_rtt{dest}: 0 when nothing came back, as the users know it
  Vector<Histogram>& rtt_;
  Vector<Counter>& requests_;
  Vector<Counter>& responses_;
  Vector<Counter>& duplicates_;
  Vector<Counter>& send_errors_;
  Vector<Gauge>& loss_;
  Vector<Gauge>& success_;
  Vector<Gauge>& last_run_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tl::live
