// Where InfluxDB points go and in which of its dialects, and what an answer means.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "live/line_protocol.hh"
#include "live/secret.hh"
#include "live/web_client.hh"

namespace tl::live {

enum class InfluxVersion { automatic, v1, v2, v3 };

struct InfluxTarget {
  std::string url;  // "http://127.0.0.1:8086", without credentials
  InfluxVersion version = InfluxVersion::automatic;
  std::string database, retention_policy;  // v1; v3 uses the database alone
  std::string org, bucket;                 // v2
  std::string user;                        // v1, with password
  Secret password;
  Secret token;  // v2 and v3
  Precision precision = Precision::ns;
  bool gzip = true;
  std::string ca_file;  // PEM; empty: the system's
  std::chrono::milliseconds timeout{10'000};
};

InfluxVersion parse_influx_version(const std::string& text);  // "auto", "1", "2", "3"
Precision parse_precision(const std::string& text);           // "ns", "us", "ms", "s"

// Throws UsageError for a URL that does not fit and for names that the version needs and lacks.
void check_influx_target(const InfluxTarget& target);

// The request that writes these lines, which are in nanoseconds. `version` is not automatic.
WebRequest write_request(const InfluxTarget& target, const std::string& lines);

using Exchange = std::function<WebResponse(const WebRequest&)>;
// Asks the server: X-Influxdb-Version at /ping, and whether a 1.x one also has the v2 path when a
// token is to be used. `automatic` when it does not answer; `error` then says why.
InfluxVersion detect_version(const InfluxTarget& target, const Exchange& exchange,
                             std::string& error);

enum class Verdict {
  accepted,   // all points are stored
  rejected,   // some or none are, and sending again would not change that: never resend
  too_large,  // 413: smaller parts may pass
  retry,      // overload, restart, no connection: the same request may pass later
  denied,     // credentials or address are wrong: keep the points, somebody has to act
};
Verdict judge(const WebResponse& response);

// Of `points` in a rejected request, how many the server says it has dropped. A partial write
// stores the rest; without a number at least one was dropped.
std::uint64_t dropped_points(const WebResponse& response, std::uint64_t points);
// The server's own message on one line, at most 300 bytes, without the target's secrets.
std::string message_of(const InfluxTarget& target, const WebResponse& response);

}  // namespace tl::live
