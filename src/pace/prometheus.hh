#pragma once

#include <chrono>
#include <string>

#include "live/secret.hh"
#include "live/web_client.hh"
#include "pace/metric_source.hh"

namespace tl::pace {

struct PrometheusTarget {
  std::string url = "http://127.0.0.1:9090";
  std::string user;
  live::Secret password;
  std::string ca_file;
  std::chrono::milliseconds timeout{10'000};  // of one exchange
};

// A Prometheus server over HTTP. Every failure is in the result. One connection, kept.
class Prometheus : public MetricSource {
 public:
  // Throws UsageError for a URL that is none.
  explicit Prometheus(PrometheusTarget target);
  QueryResult query(const std::string& expression, std::optional<std::int64_t> at_ns,
                    bool gzip) override;
  [[nodiscard]] std::int64_t now_ns() const override;
  WireCost synchronize() override;

  // GET and POST of other paths, for the configuration.
  live::WebResponse get(const std::string& path);
  live::WebResponse post(const std::string& path);

 private:
  live::WebResponse send(const std::string& method, const std::string& path, bool gzip);
  PrometheusTarget target_;
  live::WebClient client_;
  std::int64_t offset_ns_ = 0;  // the server's clock minus ours
};

}  // namespace tl::pace
