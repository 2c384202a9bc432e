// Points to InfluxDB through outages, overload and restarts, at most once per answer and at least
// once overall: what is durable (point_queue.hh) is sent until the server has taken or refused it.
//
// InfluxWriter is the state machine: it never sleeps and has no clock, so that a test can run hours
// of outage in a millisecond. InfluxSink runs one in a thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "live/influx_target.hh"
#include "live/point_queue.hh"
#include "live/registry.hh"
#include "live/retry.hh"

namespace tl::live {

struct WriterLimits {
  std::uint64_t points_per_request = 5'000;             // the documented optimum of InfluxDB 2
  std::uint64_t bytes_per_request = 8ULL << 20;         // uncompressed; servers take 25 or 50 MB
  std::chrono::nanoseconds flush_after{1'000'000'000};  // the longest a point waits for company
  std::chrono::nanoseconds first_backoff{1'000'000'000};
  std::chrono::nanoseconds longest_backoff{60'000'000'000};
  std::chrono::nanoseconds denied_wait{60'000'000'000};  // after 401 or 403
};

// Each point accepted is in exactly one of: written, rejected, dropped, waiting. (One that is
// dropped while the request that carries it is under way may turn out written as well.)
struct WriterCounters {
  std::uint64_t accepted = 0;  // points put into the queue (after a restart: also found in it)
  std::uint64_t refused = 0;   // points that have no line protocol form
  std::uint64_t omitted_fields = 0;  // NaN and infinities
  std::uint64_t changed_texts = 0;   // names and tags written differently
  std::uint64_t written = 0;
  std::uint64_t rejected = 0;  // by the server, for good
  std::uint64_t dropped = 0;   // the oldest, to make room
  std::uint64_t waiting = 0;
  std::uint64_t waiting_bytes = 0;
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;  // requests that have to be sent again
  std::uint64_t splits = 0;   // after 413
  std::uint64_t sent_bytes = 0;
  std::string last_error;  // the latest refusal or failure; empty when there was none
};

class InfluxWriter {
 public:
  InfluxWriter(InfluxTarget target, WriterLimits limits, std::unique_ptr<PointQueue> queue,
               Exchange exchange, Random random = system_random());

  // Encodes and queues; never waits for the network. Safe beside step().
  void accept(const std::vector<InfluxPoint>& points);

  // Sends what is due at `now_ns` (monotonic), at most one batch. Returns when to call again;
  // nullopt: when there is something new. With `flush` nothing waits for company, but for the
  // server's sake still for the end of a backoff.
  std::optional<std::int64_t> step(std::int64_t now_ns, std::int64_t now_real_s, bool flush);

  [[nodiscard]] WriterCounters counters() const;

 private:
  struct Chunk {
    std::string lines;
    std::uint64_t points = 0;
  };
  bool load_batch(std::int64_t now_ns, bool flush, std::optional<std::int64_t>& wake_ns);
  bool find_version(std::int64_t now_ns);
  bool send_chunk(std::int64_t now_ns, std::int64_t now_real_s);
  void split_chunk(const WebResponse& response);
  void put_off(std::int64_t now_ns, std::int64_t now_real_s, const WebResponse& response);
  void refuse(std::uint64_t points, const std::string& reason);

  InfluxTarget target_;
  WriterLimits limits_;
  Exchange exchange_;
  Backoff backoff_;
  Random random_;
  mutable std::mutex mutex_;  // guards queue_, counters_
  std::unique_ptr<PointQueue> queue_;
  WriterCounters counters_;
  // Of the thread that steps:
  std::deque<Chunk> pending_;  // what is left of the batch in progress
  std::uint64_t pending_last_record_ = 0;
  std::int64_t retry_at_ns_ = 0;
  std::int64_t company_until_ns_ = 0;  // when the points that wait have waited long enough
};

// Runs a writer in a thread of its own with a real client and clock.
class InfluxSink {
 public:
  InfluxSink(InfluxTarget target, WriterLimits limits, std::unique_ptr<PointQueue> queue);
  ~InfluxSink();
  InfluxSink(const InfluxSink&) = delete;
  InfluxSink& operator=(const InfluxSink&) = delete;

  void accept(const std::vector<InfluxPoint>& points);
  // Tries to deliver everything, for at most `limit`, then ends. What is left stays in a disk
  // queue, and is lost in a memory queue; counters() tell.
  void stop(std::chrono::nanoseconds limit);
  [[nodiscard]] WriterCounters counters() const { return writer_.counters(); }

 private:
  void serve();
  WebClient client_;
  InfluxWriter writer_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool has_news_ = false;
  bool is_stopping_ = false;
  std::int64_t stop_at_ns_ = 0;
  std::thread thread_;
};

// trafficlab_influx_points_total{outcome}, _waiting_points, _requests_total, … of a sink that
// outlives the registry.
Registry::Collector influx_collector(const InfluxSink& sink);

}  // namespace tl::live
