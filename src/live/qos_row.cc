#include "live/qos_row.hh"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "live/qos_fields.hh"
#include "probe/ping_statistics.hh"

namespace tl::live {
namespace {

bool has_type(const FieldValue& value, FieldType type) {
  switch (type) {
    case FieldType::real:
      return std::holds_alternative<double>(value);
    case FieldType::integer:
      return std::holds_alternative<std::int64_t>(value);
    case FieldType::text:
      return std::holds_alternative<std::string>(value);
  }
  return false;
}

std::int64_t integer(bool value) { return value ? 1 : 0; }

QosRow row_of(const char* probe, const std::string& target, std::int64_t time_ns) {
  QosRow row;
  row.probe = probe;
  row.target = target;
  row.time_ns = time_ns;
  return row;
}

void add_error(QosRow& row, const std::string& error) {
  if (!error.empty()) row.error += (row.error.empty() ? "" : "; ") + error;
}

// The users' table: their names only, and zeros where nothing was measured.
QosRow made_compatible(QosRow row) {
  std::erase_if(row.fields,
                [](const auto& field) { return !find_qos_field(field.first)->is_users; });
  for (const QosField& field : qos_fields()) {
    if (field.probe != row.probe || !field.is_users || row.find(field.name) != nullptr) continue;
    if (field.type == FieldType::integer) {
      row.set(field.name, FieldValue{std::int64_t{field.name.ends_with("bytes") ? 0 : -1}});
    } else {
      row.set(field.name, FieldValue{0.0});
    }
  }
  return row;
}

QosRow finished(QosRow row, FailureStyle style) {
  row.set(row.probe + "_success", FieldValue{integer(row.success)});
  if (!row.error.empty()) row.set(row.probe + "_error", FieldValue{row.error});
  return style == FailureStyle::compatible ? made_compatible(std::move(row)) : row;
}

PingClock least_exact(const PingResult& result) {
  PingClock worst = PingClock::kernel;
  for (const PingReply& reply : result.replies) worst = std::max(worst, reply.clock);
  return worst;
}

double milliseconds(std::chrono::microseconds duration) {
  return std::chrono::duration<double, std::milli>{duration}.count();
}

void add_phases(QosRow& row, const std::string& operation, const HttpPhases& phases) {
  const auto set = [&](const char* phase, std::chrono::microseconds duration) {
    row.set(fmt::format("http_{}_{}_ms", operation, phase), FieldValue{milliseconds(duration)});
  };
  set("resolve", phases.resolve);
  set("connect", phases.connect);
  set("tls", phases.tls);
  set("send", phases.send);
  set("processing", phases.processing);
  set("transfer", phases.transfer);
}

// An answer that is an error page has a time, but not of what was asked for: only the users' tool
// reported it.
bool gives_numbers(const HttpOutcome& outcome, FailureStyle style) {
  return style == FailureStyle::compatible ? outcome.error.empty() : outcome.ok();
}

void add_exchange(QosRow& row, const std::string& operation, const std::string& status_field,
                  const HttpOutcome& outcome, FailureStyle style) {
  // An answer that breaks off has sent its status line all the same.
  const bool is_complete = outcome.error.empty() && outcome.status > 0;
  row.set(status_field, FieldValue{std::int64_t{is_complete ? outcome.status : -1}});
  if (!outcome.ok()) {
    row.success = false;
    add_error(row, fmt::format("{}: {}", operation,
                               outcome.error.empty() ? fmt::format("HTTP {}", outcome.status)
                                                     : outcome.error));
  }
  if (!gives_numbers(outcome, style)) return;
  row.set(fmt::format("http_{}_ms", operation), FieldValue{milliseconds(outcome.phases.total())});
  add_phases(row, operation, outcome.phases);
}

}  // namespace

void QosRow::set(std::string_view name, FieldValue value) {
  const QosField* field = find_qos_field(name);
  if (field == nullptr || !has_type(value, field->type))
    throw std::logic_error{fmt::format("qos field {}: unknown, or of another type", name)};
  fields.emplace_back(name, std::move(value));
}

void QosRow::set(std::string_view name, const std::optional<double>& value) {
  if (value) set(name, FieldValue{*value});
}

const FieldValue* QosRow::find(std::string_view name) const {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const auto& field) { return field.first == name; });
  return found == fields.end() ? nullptr : &found->second;
}

QosRow ping_row(const std::string& target, std::int64_t time_ns, const PingResult& result,
                FailureStyle style) {
  QosRow row = row_of("ping", target, time_ns);
  const PingSummary s = summarise(result);
  row.success = result.ok();
  add_error(row, result.error);
  if (!result.ok() && row.error.empty()) row.error = "no answer";
  row.set("ping_avg_ms", s.average_ms);
  row.set("ping_min_ms", s.min_ms);
  row.set("ping_max_ms", s.max_ms);
  row.set("ping_jitter_ms", s.jitter_ms);
  row.set("ping_packet_loss_pct", FieldValue{s.loss_pct});
  row.set("ping_ipdv_ms", s.ipdv_ms);
  row.set("ping_jitter_rfc3550_ms", s.jitter_rfc3550_ms);
  row.set("ping_stddev_ms", s.stddev_ms);
  row.set("ping_p50_ms", s.p50_ms);
  row.set("ping_p95_ms", s.p95_ms);
  row.set("ping_p99_ms", s.p99_ms);
  const auto count = [&](const char* name, int value) {
    row.set(name, FieldValue{std::int64_t{value}});
  };
  count("ping_sent", result.attempts);
  count("ping_received", result.received);
  count("ping_send_errors", result.send_errors);
  count("ping_duplicates", result.duplicates);
  count("ping_late", result.late);
  count("ping_reordered", result.reordered);
  count("ping_mismatched", result.mismatched);
  count("ping_unreachable", result.unreachable);
  if (result.ok()) row.set("ping_clock", FieldValue{std::string{text_of(least_exact(result))}});
  return finished(std::move(row), style);
}

QosRow iperf_row(const std::string& target, std::int64_t time_ns, const IperfOutcome& outcome,
                 FailureStyle style) {
  QosRow row = row_of("iperf", target, time_ns);
  row.success = outcome.tcp.error.empty() && (!outcome.has_udp || outcome.udp.error.empty());
  if (!outcome.tcp.error.empty()) add_error(row, "tcp: " + outcome.tcp.error);
  if (outcome.has_udp && !outcome.udp.error.empty()) add_error(row, "udp: " + outcome.udp.error);
  row.set("iperf_bandwidth_mbps", outcome.tcp.bandwidth_mbps);
  row.set("iperf_jitter_ms", outcome.udp.jitter_ms);
  if (outcome.tcp.retransmits) row.set("iperf_retransmits", FieldValue{*outcome.tcp.retransmits});
  if (outcome.udp.lost_packets && outcome.udp.packets) {
    row.set("iperf_lost_packets", FieldValue{*outcome.udp.lost_packets});
    row.set("iperf_packets", FieldValue{*outcome.udp.packets});
    if (*outcome.udp.packets > 0)
      row.set("iperf_loss_pct", FieldValue{100.0 * static_cast<double>(*outcome.udp.lost_packets) /
                                           static_cast<double>(*outcome.udp.packets)});
  }
  return finished(std::move(row), style);
}

QosRow http_row(const std::string& target, std::int64_t time_ns, const HttpRound& round,
                FailureStyle style) {
  QosRow row = row_of("http", target, time_ns);
  row.success = true;
  if (round.ping) add_exchange(row, "ping", "http_status_code", *round.ping, style);
  if (round.download) {
    add_exchange(row, "download", "http_download_status", *round.download, style);
    if (gives_numbers(*round.download, style))
      row.set("http_download_bytes",
              FieldValue{static_cast<std::int64_t>(round.download->downloaded_bytes)});
  }
  if (round.upload) {
    add_exchange(row, "upload", "http_upload_status", *round.upload, style);
    if (gives_numbers(*round.upload, style))
      row.set("http_upload_bytes",
              FieldValue{static_cast<std::int64_t>(round.upload->uploaded_bytes)});
  }
  return finished(std::move(row), style);
}

InfluxPoint influx_point(const QosRow& row) {
  return {"qos_metrics", {{"target", row.target}}, row.fields, row.time_ns};
}

}  // namespace tl::live
