// What `trafficlab qos` probes, how often, and where the rows go: from a YAML file, the environment
// and the command line, later ones winning (docs/qos.md).
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "live/influx_writer.hh"
#include "live/metrics_server.hh"
#include "live/qos_row.hh"

namespace tl::live {

// One thing that is probed, under one name, so that the panels of all probes line up. An empty text
// leaves a probe out.
struct QosTarget {
  std::string name;          // the tag
  std::string ping;          // host
  std::string iperf_server;  // host
  std::uint16_t iperf_port = 5201;
  std::string http_ping_url, http_download_url, http_upload_url;
};

struct InfluxSettings {
  InfluxTarget target;
  WriterLimits limits;
  std::filesystem::path spool;  // empty: points wait in memory
  std::uint64_t most_bytes = 64ULL << 20;
};

struct QosConfig {
  std::vector<QosTarget> targets;
  PingOptions ping;
  IperfProbeOptions iperf;  // its server and port are the targets'
  std::uint64_t upload_bytes = 102'400;
  std::string http_ca_file;
  std::chrono::milliseconds http_ping_timeout{5'000}, http_download_timeout{10'000},
      http_upload_timeout{15'000};  // the users' tool had these
  std::chrono::milliseconds every_ping{60'000}, every_http{60'000}, every_iperf{60'000};
  FailureStyle style = FailureStyle::absent;
  std::optional<InfluxSettings> influx;
  std::filesystem::path csv;            // empty: none; "-": stdout
  std::optional<ServerOptions> listen;  // /metrics
};

// Reads the file over `base`. Throws UsageError "FILE:LINE: …".
QosConfig read_qos_config(const std::filesystem::path& file, QosConfig base = {});

// A variable of the environment, or nullopt.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> process_environment(const std::string& name);
// QOS_EVERY, QOS_COMPAT, INFLUXDB_URL, INFLUXDB_VERSION, INFLUXDB_TOKEN, INFLUXDB_ORG,
// INFLUXDB_BUCKET, INFLUXDB_DATABASE, INFLUXDB_USER, INFLUXDB_PASSWORD. Throws UsageError naming
// the variable.
void apply_environment(QosConfig& config, const Environment& environment);

// The INFLUXDB_… ones but INFLUXDB_URL, for whoever writes to InfluxDB.
void apply_influx_environment(InfluxTarget& target, const Environment& environment);

// The one target that the environment and the command line name together. Empty words leave a
// probe out.
struct TargetWords {
  std::string ping;   // HOST
  std::string iperf;  // HOST[:PORT]
  std::string http;   // a URL, for all three exchanges
};
// Fills the words that are empty from QOS_PING, QOS_IPERF and QOS_HTTP.
void complete_from_environment(TargetWords& words, const Environment& environment);
// A probe that the words name goes to their target alone: the earlier targets lose it, and those
// that have no other go. One of the same name becomes part of it.
void apply_target(QosConfig& config, const TargetWords& words);

// Throws UsageError when there is nothing to probe, two targets share a name, or InfluxDB's URL or
// names are incomplete.
void check_qos_config(const QosConfig& config);

}  // namespace tl::live
