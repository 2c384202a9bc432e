#include "pace/prometheus.hh"

#include <fmt/format.h>

#include "base/clock.hh"
#include "base/http.hh"

namespace tl::pace {
namespace {

WireCost cost_of(const live::WebResponse& response) {
  return {response.request_bytes, response.header_bytes, response.body_bytes,
          response.duration.count()};
}

// The server's own words where it has any.
std::string reason_of(const live::WebResponse& response) {
  if (response.status == 0) return response.error;
  const std::string said = parse_query_answer(response.body).error;
  return fmt::format("HTTP {}{}{}", response.status, said.empty() ? "" : ": ", said);
}

}  // namespace

Prometheus::Prometheus(PrometheusTarget target) : target_{std::move(target)} {
  (void)live::checked_host(target_.url, "Prometheus");
  while (target_.url.ends_with('/')) target_.url.pop_back();
}

live::WebResponse Prometheus::send(const std::string& method, const std::string& path, bool gzip) {
  live::WebRequest request;
  request.method = method;
  request.url = target_.url + path;
  request.user = target_.user;
  request.password = target_.password.reveal();
  request.ca_file = target_.ca_file;
  request.timeout = target_.timeout;
  request.accept_gzip = gzip;
  return client_.send(request);
}

live::WebResponse Prometheus::get(const std::string& path) { return send("GET", path, false); }
live::WebResponse Prometheus::post(const std::string& path) { return send("POST", path, false); }

QueryResult Prometheus::query(const std::string& expression, std::optional<std::int64_t> at_ns,
                              bool gzip) {
  std::string path = "/api/v1/query?query=" + url_encoded(expression);
  if (at_ns)
    path +=
        fmt::format("&time={}.{:03}", *at_ns / 1'000'000'000, *at_ns % 1'000'000'000 / 1'000'000);
  const live::WebResponse response = send("GET", path, gzip);
  QueryResult result;
  result.cost = cost_of(response);
  if (!response.ok()) {
    result.error = reason_of(response);
    return result;
  }
  QueryAnswer answer = parse_query_answer(response.body);
  result.error = std::move(answer.error);
  result.series = std::move(answer.series);
  return result;
}

std::int64_t Prometheus::now_ns() const { return realtime_ns() + offset_ns_; }

WireCost Prometheus::synchronize() {
  const std::int64_t before_ns = realtime_ns();
  const QueryResult result = query("time()", std::nullopt, false);
  const std::int64_t after_ns = realtime_ns();
  if (result.series.size() == 1 && result.series[0].samples.size() == 1)
    offset_ns_ = result.series[0].samples[0].time_ns - (before_ns + (after_ns - before_ns) / 2);
  return result.cost;
}

}  // namespace tl::pace
