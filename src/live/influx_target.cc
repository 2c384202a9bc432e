#include "live/influx_target.hh"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/errors.hh"
#include "base/http.hh"
#include "live/exposition.hh"

namespace tl::live {
namespace {

std::string base_url(const InfluxTarget& target) {
  std::string url = target.url;
  url.erase(url.find_last_not_of('/') + 1);
  return url;
}

// Each dialect has its own word for each precision; 1.x takes an unknown one for nanoseconds.
const char* precision_word(InfluxVersion version, Precision precision) {
  switch (precision) {
    case Precision::ns:
      return version == InfluxVersion::v3 ? "nanosecond" : "ns";
    case Precision::us:
      return version == InfluxVersion::v3 ? "microsecond"
                                          : (version == InfluxVersion::v2 ? "us" : "u");
    case Precision::ms:
      return version == InfluxVersion::v3 ? "millisecond" : "ms";
    case Precision::s:
      return version == InfluxVersion::v3 ? "second" : "s";
  }
  return "ns";
}

std::string write_path(const InfluxTarget& t) {
  const char* precision = precision_word(t.version, t.precision);
  switch (t.version) {
    case InfluxVersion::v2:
      return fmt::format("/api/v2/write?org={}&bucket={}&precision={}", url_encoded(t.org),
                         url_encoded(t.bucket), precision);
    case InfluxVersion::v3:
      return fmt::format("/api/v3/write_lp?db={}&precision={}&accept_partial=true",
                         url_encoded(t.database.empty() ? t.bucket : t.database), precision);
    case InfluxVersion::automatic:
    case InfluxVersion::v1:
      break;
  }
  return fmt::format("/write?db={}{}&precision={}", url_encoded(t.database),
                     t.retention_policy.empty() ? "" : "&rp=" + url_encoded(t.retention_policy),
                     precision);
}

WebRequest request_to(const InfluxTarget& target, const char* method, const std::string& path) {
  WebRequest request;
  request.method = method;
  request.url = base_url(target) + path;
  request.timeout = target.timeout;
  request.ca_file = target.ca_file;
  if (target.version == InfluxVersion::v1 || target.token.empty()) {
    request.user = target.user;
    request.password = target.password.reveal();
  } else {
    const char* scheme = target.version == InfluxVersion::v3 ? "Bearer" : "Token";
    request.headers.emplace_back("Authorization",
                                 fmt::format("{} {}", scheme, target.token.reveal()));
  }
  return request;
}

}  // namespace

InfluxVersion parse_influx_version(const std::string& text) {
  if (text == "auto") return InfluxVersion::automatic;
  if (text == "1") return InfluxVersion::v1;
  if (text == "2") return InfluxVersion::v2;
  if (text == "3") return InfluxVersion::v3;
  throw UsageError{fmt::format("influx version '{}': expected auto, 1, 2 or 3", text)};
}

Precision parse_precision(const std::string& text) {
  if (text == "ns") return Precision::ns;
  if (text == "us") return Precision::us;
  if (text == "ms") return Precision::ms;
  if (text == "s") return Precision::s;
  throw UsageError{fmt::format("precision '{}': expected ns, us, ms or s", text)};
}

void check_influx_target(const InfluxTarget& t) {
  (void)checked_host(t.url, "influx url");
  const bool has_v2 = !t.org.empty() && !t.bucket.empty();
  const char* needed = nullptr;
  switch (t.version) {
    case InfluxVersion::v1:
      if (t.database.empty()) needed = "database";
      break;
    case InfluxVersion::v2:
      if (!has_v2) needed = "org and bucket";
      break;
    case InfluxVersion::v3:
      if (t.database.empty() && t.bucket.empty()) needed = "database";
      break;
    case InfluxVersion::automatic:
      if (t.database.empty() && !has_v2) needed = "database, or org and bucket";
      break;
  }
  if (needed != nullptr) throw UsageError{fmt::format("influx: {} missing", needed)};
}

WebRequest write_request(const InfluxTarget& target, const std::string& lines) {
  WebRequest request = request_to(target, "POST", write_path(target));
  request.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  request.body = with_precision(lines, target.precision);
  if (target.gzip) {
    request.headers.emplace_back("Content-Encoding", "gzip");
    request.body = gzip(request.body);
  }
  return request;
}

InfluxVersion detect_version(const InfluxTarget& target, const Exchange& exchange,
                             std::string& error) {
  const WebResponse ping = exchange(request_to(target, "GET", "/ping"));
  if (ping.status == 0) {
    error = ping.error;
    return InfluxVersion::automatic;
  }
  std::string version = ping.header("x-influxdb-version");
  if (version.starts_with('v')) version.erase(0, 1);
  if (version.starts_with("2.")) return InfluxVersion::v2;
  if (version.starts_with("3.")) return InfluxVersion::v3;
  const bool wants_v2 = !target.bucket.empty() && !target.org.empty();
  if (!wants_v2) return InfluxVersion::v1;
  // 1.8 and others that speak its protocol have the v2 path too; 1.6 answers 404.
  InfluxTarget v2 = target;
  v2.version = InfluxVersion::v2;
  const WebResponse answer = exchange(request_to(v2, "POST", write_path(v2)));
  const bool is_missing = answer.status == 404 && !target.database.empty();
  return is_missing ? InfluxVersion::v1 : InfluxVersion::v2;
}

Verdict judge(const WebResponse& response) {
  const int status = response.status;
  if (status >= 200 && status < 300) return Verdict::accepted;
  if (status == 413) return Verdict::too_large;
  // 404: the database or bucket is missing, and may be made while the points wait.
  if (status == 401 || status == 403 || status == 404 || status == 407) return Verdict::denied;
  if (status >= 300 && status < 400) return Verdict::denied;  // the address is another one
  if (status == 408 || status == 429 || status >= 500 || status == 0) return Verdict::retry;
  return Verdict::rejected;
}

std::uint64_t dropped_points(const WebResponse& response, std::uint64_t points) {
  const std::string& body = response.body;
  if (body.find("partial write") == std::string::npos) return points;
  const std::size_t at = body.find("dropped=");
  std::uint64_t dropped = 0;
  if (at != std::string::npos) {
    std::from_chars(body.data() + at + 8, body.data() + body.size(), dropped);
  } else if (const auto json = nlohmann::json::parse(body, nullptr, false);
             json.is_object() && json.contains("data") && json["data"].is_array()) {
    dropped = json["data"].size();  // InfluxDB 3 lists the lines that it refused
  }
  return std::clamp<std::uint64_t>(dropped, 1, points);
}

std::string message_of(const InfluxTarget& target, const WebResponse& response) {
  std::string text = response.status == 0 ? response.error : response.body;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_object())
    for (const char* key : {"message", "error"})
      if (json.contains(key) && json[key].is_string()) text = json[key].get<std::string>();
  std::replace(text.begin(), text.end(), '\n', ' ');
  text.erase(text.find_last_not_of(' ') + 1);
  text.resize(std::min<std::size_t>(text.size(), 300));
  text = target.token.redacted(target.password.redacted(text));
  return response.status == 0 ? text : fmt::format("HTTP {}: {}", response.status, text);
}

}  // namespace tl::live
