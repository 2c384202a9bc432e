#include "live/qos_metrics.hh"

#include <array>
#include <map>

namespace tl::live {
namespace {

// How a field is named by Prometheus's conventions: base units, labels for what varies.
struct Row {
  const char* field;
  const char* metric;
  const char* help;
  double factor;
  const char* label = nullptr;  // with its value
  const char* value = nullptr;
  const char* phase = nullptr;
};

constexpr double kMs = 1e-3;
constexpr const char* kPhase = "trafficlab_http_phase_duration_seconds";
constexpr const char* kPhaseHelp = "Parts of an HTTP exchange.";

constexpr std::array kRows{
    Row{"ping_jitter_ms", "trafficlab_ping_jitter_seconds", "Mean step between replies.", kMs},
    Row{"ping_avg_ms", "trafficlab_ping_rtt_average_seconds", "Mean round trip.", kMs},
    Row{"ping_packet_loss_pct", "trafficlab_ping_loss_ratio", "Unanswered share, 0 to 1.", 0.01},
    Row{"iperf_bandwidth_mbps", "trafficlab_iperf_received_bytes_per_second",
        "TCP payload that arrived.", 1e6 / 8},
    Row{"iperf_jitter_ms", "trafficlab_iperf_jitter_seconds", "Jitter of the UDP test.", kMs},
    Row{"iperf_lost_packets", "trafficlab_iperf_lost_packets", "UDP datagrams lost.", 1},
    Row{"http_ping_ms", "trafficlab_http_duration_seconds", "HTTP exchange.", kMs, "op", "ping"},
    Row{"http_download_ms", "trafficlab_http_duration_seconds", "", kMs, "op", "download"},
    Row{"http_upload_ms", "trafficlab_http_duration_seconds", "", kMs, "op", "upload"},
    Row{"http_status_code", "trafficlab_http_status_code", "Status; -1: no whole answer.", 1, "op",
        "ping"},
    Row{"http_download_status", "trafficlab_http_status_code", "", 1, "op", "download"},
    Row{"http_upload_status", "trafficlab_http_status_code", "", 1, "op", "upload"},
    Row{"http_download_bytes", "trafficlab_http_body_bytes", "Body of the exchange.", 1, "op",
        "download"},
    Row{"http_upload_bytes", "trafficlab_http_body_bytes", "", 1, "op", "upload"},
    Row{"http_ping_resolve_ms", kPhase, kPhaseHelp, kMs, "op", "ping", "resolve"},
    Row{"http_ping_connect_ms", kPhase, "", kMs, "op", "ping", "connect"},
    Row{"http_ping_tls_ms", kPhase, "", kMs, "op", "ping", "tls"},
    Row{"http_ping_send_ms", kPhase, "", kMs, "op", "ping", "send"},
    Row{"http_ping_processing_ms", kPhase, "", kMs, "op", "ping", "processing"},
    Row{"http_ping_transfer_ms", kPhase, "", kMs, "op", "ping", "transfer"},
    Row{"http_download_resolve_ms", kPhase, "", kMs, "op", "download", "resolve"},
    Row{"http_download_connect_ms", kPhase, "", kMs, "op", "download", "connect"},
    Row{"http_download_tls_ms", kPhase, "", kMs, "op", "download", "tls"},
    Row{"http_download_send_ms", kPhase, "", kMs, "op", "download", "send"},
    Row{"http_download_processing_ms", kPhase, "", kMs, "op", "download", "processing"},
    Row{"http_download_transfer_ms", kPhase, "", kMs, "op", "download", "transfer"},
    Row{"http_upload_resolve_ms", kPhase, "", kMs, "op", "upload", "resolve"},
    Row{"http_upload_connect_ms", kPhase, "", kMs, "op", "upload", "connect"},
    Row{"http_upload_tls_ms", kPhase, "", kMs, "op", "upload", "tls"},
    Row{"http_upload_send_ms", kPhase, "", kMs, "op", "upload", "send"},
    Row{"http_upload_processing_ms", kPhase, "", kMs, "op", "upload", "processing"},
    Row{"http_upload_transfer_ms", kPhase, "", kMs, "op", "upload", "transfer"},
};

std::string unit_of(const std::string& name) {
  for (const char* unit : {"seconds", "ratio", "bytes"})
    if (name.ends_with(std::string{"_"} + unit)) return unit;
  return "";
}

double number(const FieldValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  const auto* real = std::get_if<double>(&value);
  return real == nullptr ? 0 : *real;
}

}  // namespace

struct QosMetrics::Families {
  std::map<std::string, Vector<Gauge>*> by_name;
  Vector<Gauge>* success = nullptr;
  Vector<Gauge>* last_run = nullptr;
  Vector<Counter>* rounds = nullptr;
};

QosMetrics::QosMetrics(Registry& registry) : families_{std::make_unique<Families>()} {
  for (const Row& row : kRows) {
    auto& family = families_->by_name[row.metric];
    if (family == nullptr) family = &registry.gauge({row.metric, row.help, unit_of(row.metric)});
  }
  families_->success = &registry.gauge(
      {"trafficlab_probe_success", "1: every part of the latest round gave its numbers.", ""});
  families_->last_run = &registry.gauge(
      {"trafficlab_probe_last_run_timestamp_seconds", "When the latest round began.", "seconds"});
  families_->rounds = &registry.counter({"trafficlab_probe_rounds", "Rounds, by success.", ""});
}

QosMetrics::~QosMetrics() = default;

void QosMetrics::take(const QosRow& row) {
  for (const Row& known : kRows) {
    if (!std::string_view{known.field}.starts_with(row.probe + "_")) continue;
    Labels labels{{"target", row.target}};
    if (known.label != nullptr) labels.emplace_back(known.label, known.value);
    if (known.phase != nullptr) labels.emplace_back("phase", known.phase);
    Vector<Gauge>& family = *families_->by_name.at(known.metric);
    if (const FieldValue* value = row.find(known.field)) {
      family.with(labels).set(number(*value) * known.factor);
    } else {
      family.remove(labels);
    }
  }
  const Labels probe{{"probe", row.probe}, {"target", row.target}};
  families_->success->with(probe).set(row.success ? 1 : 0);
  families_->last_run->with(probe).set(static_cast<double>(row.time_ns) / 1e9);
  families_->rounds
      ->with({{"probe", row.probe},
              {"result", row.success ? "success" : "failure"},
              {"target", row.target}})
      .inc();
}

}  // namespace tl::live
