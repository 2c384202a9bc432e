// One round of one probe at one target, as the sinks get it. Pure functions from probe outcomes to
// rows, and from rows to the forms they travel in.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "live/line_protocol.hh"
#include "probe/http_probe.hh"
#include "probe/iperf_probe.hh"
#include "probe/ping.hh"

namespace tl::live {

struct QosRow {
  std::string probe;         // "ping", "iperf", "http"
  std::string target;        // the tag
  std::int64_t time_ns = 0;  // when the round began, since the epoch
  bool success = false;      // every part of the round gave its numbers
  std::string error;         // why not
  std::vector<std::pair<std::string, FieldValue>> fields;  // of qos_fields(), of their types

  // Throws std::logic_error for a name or type that is not in the table: a mistake in the program.
  void set(std::string_view name, FieldValue value);
  void set(std::string_view name, const std::optional<double>& value);  // absent: no field
  [[nodiscard]] const FieldValue* find(std::string_view name) const;
};

// What the numbers of failed measurements become: absent, or, as the users' tool wrote them, 0 (and
// the field table reduced to the 14 names it had). A request without answer has status -1 in both.
enum class FailureStyle { absent, compatible };

struct HttpRound {
  std::optional<HttpOutcome> ping, download, upload;  // those that were asked for
};

QosRow ping_row(const std::string& target, std::int64_t time_ns, const PingResult& result,
                FailureStyle style = FailureStyle::absent);
QosRow iperf_row(const std::string& target, std::int64_t time_ns, const IperfOutcome& outcome,
                 FailureStyle style = FailureStyle::absent);
QosRow http_row(const std::string& target, std::int64_t time_ns, const HttpRound& round,
                FailureStyle style = FailureStyle::absent);

// Measurement qos_metrics, tag target.
InfluxPoint influx_point(const QosRow& row);

nlohmann::json to_json(const QosRow& row);
// nullopt for a text that is no row, also one with a field of the wrong type.
std::optional<QosRow> parse_row(const std::string& text);
// For people, on one line: "2026-11-21T00:00:00Z ping lab: ping_avg_ms=0.4 …".
std::string describe(const QosRow& row);

// CSV (RFC 4180): time, target, probe and one column a field, empty where it is absent.
std::string csv_header();
std::string csv_line(const QosRow& row);

}  // namespace tl::live
