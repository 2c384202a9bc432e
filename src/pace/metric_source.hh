// What the pollers ask: Prometheus, or in tests and benchmarks a server on a virtual clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pace/prometheus_answer.hh"

namespace tl::pace {

struct WireCost {
  std::uint64_t request_bytes = 0, header_bytes = 0, body_bytes = 0;  // as on the wire
  std::int64_t duration_ns = 0;                                       // of the exchanges
  [[nodiscard]] std::uint64_t bytes() const { return request_bytes + header_bytes + body_bytes; }
  WireCost& operator+=(const WireCost& other) {
    request_bytes += other.request_bytes;
    header_bytes += other.header_bytes;
    body_bytes += other.body_bytes;
    duration_ns += other.duration_ns;
    return *this;
  }
};

struct QueryResult {
  std::string error;  // why there is nothing; empty also for "no such series"
  std::vector<SeriesSamples> series;
  WireCost cost;
};

class MetricSource {
 public:
  virtual ~MetricSource() = default;
  // Evaluates at `at_ns` on the server's clock, or when it arrives.
  virtual QueryResult query(const std::string& expression, std::optional<std::int64_t> at_ns,
                            bool gzip) = 0;
  // The server's clock, since the epoch, as well as it is known.
  [[nodiscard]] virtual std::int64_t now_ns() const = 0;
  // Compares the clocks again; what that cost.
  virtual WireCost synchronize() = 0;
};

}  // namespace tl::pace
