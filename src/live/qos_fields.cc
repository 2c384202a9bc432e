#include "live/qos_fields.hh"

#include <algorithm>
#include <array>

namespace tl::live {
namespace {

constexpr auto kReal = FieldType::real;
constexpr auto kInteger = FieldType::integer;
constexpr auto kText = FieldType::text;

constexpr std::array kFields{
    QosField{"ping_avg_ms", kReal, "ping", true, "mean round trip of the answered requests"},
    QosField{"ping_min_ms", kReal, "ping", true, "shortest round trip"},
    QosField{"ping_max_ms", kReal, "ping", true, "longest round trip"},
    QosField{"ping_jitter_ms", kReal, "ping", true, "mean step between consecutive replies"},
    QosField{"ping_packet_loss_pct", kReal, "ping", true, "unanswered share, 0 to 100"},
    QosField{"ping_ipdv_ms", kReal, "ping", false,
             "mean step between consecutive sequence numbers"},
    QosField{"ping_jitter_rfc3550_ms", kReal, "ping", false, "smoothed step (RFC 3550, 6.4.1)"},
    QosField{"ping_stddev_ms", kReal, "ping", false, "population standard deviation"},
    QosField{"ping_p50_ms", kReal, "ping", false, "median (nearest rank)"},
    QosField{"ping_p95_ms", kReal, "ping", false, "95th percentile (nearest rank)"},
    QosField{"ping_p99_ms", kReal, "ping", false, "99th percentile (nearest rank)"},
    QosField{"ping_sent", kInteger, "ping", false, "requests attempted"},
    QosField{"ping_received", kInteger, "ping", false, "requests answered in time"},
    QosField{"ping_send_errors", kInteger, "ping", false, "requests the kernel refused"},
    QosField{"ping_duplicates", kInteger, "ping", false, "further answers"},
    QosField{"ping_late", kInteger, "ping", false, "answers after the timeout"},
    QosField{"ping_reordered", kInteger, "ping", false, "answers that were overtaken"},
    QosField{"ping_mismatched", kInteger, "ping", false, "forged or damaged answers"},
    QosField{"ping_unreachable", kInteger, "ping", false, "requests answered by an ICMP error"},
    QosField{"ping_success", kInteger, "ping", false, "1: at least one answer"},
    QosField{"ping_clock", kText, "ping", false, "least exact clock used"},
    QosField{"ping_error", kText, "ping", false, "why requests failed"},
    QosField{"iperf_bandwidth_mbps", kReal, "iperf", true, "TCP payload that arrived, 10^6 bit/s"},
    QosField{"iperf_jitter_ms", kReal, "iperf", true, "of the UDP test, by the receiver"},
    QosField{"iperf_retransmits", kInteger, "iperf", false, "TCP segments sent again"},
    QosField{"iperf_lost_packets", kInteger, "iperf", false, "UDP datagrams lost"},
    QosField{"iperf_packets", kInteger, "iperf", false, "UDP datagrams sent"},
    QosField{"iperf_loss_pct", kReal, "iperf", false, "lost share of the UDP datagrams"},
    QosField{"iperf_success", kInteger, "iperf", false, "1: every test is complete"},
    QosField{"iperf_error", kText, "iperf", false, "why a test failed"},
    QosField{"http_ping_ms", kReal, "http", true, "GET of the ping URL, connection included"},
    QosField{"http_status_code", kInteger, "http", true, "its status; -1: no whole answer"},
    QosField{"http_download_ms", kReal, "http", true, "GET of the download URL"},
    QosField{"http_download_bytes", kInteger, "http", true, "its body"},
    QosField{"http_download_status", kInteger, "http", true, "its status; -1: no whole answer"},
    QosField{"http_upload_ms", kReal, "http", true, "POST to the upload URL"},
    QosField{"http_upload_status", kInteger, "http", true, "its status; -1: no whole answer"},
    QosField{"http_upload_bytes", kInteger, "http", false, "its body"},
    QosField{"http_ping_resolve_ms", kReal, "http", false, "name lookup"},
    QosField{"http_ping_connect_ms", kReal, "http", false, "TCP handshake"},
    QosField{"http_ping_tls_ms", kReal, "http", false, "TLS handshake"},
    QosField{"http_ping_send_ms", kReal, "http", false, "request"},
    QosField{"http_ping_processing_ms", kReal, "http", false, "until the answer's first byte"},
    QosField{"http_ping_transfer_ms", kReal, "http", false, "answer"},
    QosField{"http_download_resolve_ms", kReal, "http", false, "name lookup"},
    QosField{"http_download_connect_ms", kReal, "http", false, "TCP handshake"},
    QosField{"http_download_tls_ms", kReal, "http", false, "TLS handshake"},
    QosField{"http_download_send_ms", kReal, "http", false, "request"},
    QosField{"http_download_processing_ms", kReal, "http", false, "until the answer's first byte"},
    QosField{"http_download_transfer_ms", kReal, "http", false, "answer"},
    QosField{"http_upload_resolve_ms", kReal, "http", false, "name lookup"},
    QosField{"http_upload_connect_ms", kReal, "http", false, "TCP handshake"},
    QosField{"http_upload_tls_ms", kReal, "http", false, "TLS handshake"},
    QosField{"http_upload_send_ms", kReal, "http", false, "request, until its last byte"},
    QosField{"http_upload_processing_ms", kReal, "http", false, "until the answer's first byte"},
    QosField{"http_upload_transfer_ms", kReal, "http", false, "answer"},
    QosField{"http_success", kInteger, "http", false, "1: every exchange succeeded"},
    QosField{"http_error", kText, "http", false, "why one failed"},
};

constexpr bool names_are_unique() {
  for (std::size_t i = 0; i < kFields.size(); ++i)
    for (std::size_t j = i + 1; j < kFields.size(); ++j)
      if (kFields[i].name == kFields[j].name) return false;
  return true;
}
static_assert(names_are_unique(), "points of one moment are merged: field names must differ");
static_assert(std::count_if(kFields.begin(), kFields.end(),
                            [](const QosField& f) { return f.is_users; }) == 14,
              "the users know 14 fields");

}  // namespace

std::span<const QosField> qos_fields() { return kFields; }

const QosField* find_qos_field(std::string_view name) {
  const auto found = std::find_if(kFields.begin(), kFields.end(),
                                  [&](const QosField& field) { return field.name == name; });
  return found == kFields.end() ? nullptr : &*found;
}

}  // namespace tl::live
