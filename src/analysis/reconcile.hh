// Whether the sources of a bundle agree: counter streams, cumulative counters, device statistics,
// capture files, the captures' own accounts, and iperf. They share no code and no hook, so where
// they are equal they are right. docs/reconciliation.md defines every identity.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tl {

// Frames and their bytes (Ethernet header included, segmentation offload unsplit) of a service.
struct Amounts {
  std::int64_t rx_bytes = 0, rx_packets = 0, tx_bytes = 0, tx_packets = 0;
};

// One TCP connection or UDP flow in a service's capture. Bytes are transport payload.
struct CapturedStream {
  std::string protocol;                            // "tcp", "udp"
  std::uint16_t client_port = 0, server_port = 0;  // the client began it
  struct Side {
    std::int64_t payload_bytes = 0;        // of all packets
    std::int64_t span_bytes = 0;           // TCP: distinct bytes of the stream
    std::int64_t retransmitted_bytes = 0;  // TCP: payload seen before
    std::int64_t gap_bytes = 0;            // TCP: bytes of the span that no packet carried
  };
  Side from_client, from_server;
};

// What the sources say of one service. Empty where a source is missing or has another scope.
struct ServiceEvidence {
  std::string service;
  std::optional<Amounts> buckets;  // sum of counters/container.csv
  std::optional<Amounts> counted;  // cumulative counters of the same devices
  std::optional<Amounts> device;   // change of the devices' statistics, and what they refused
  std::int64_t refused_bytes = 0;  // of the latter: found as what is missing for that many packets
  std::optional<Amounts> capture;  // frames in the capture file
  Amounts capture_outside;         // of those, before or after the counters counted
  std::optional<Amounts> capture_account;   // what the capture agent says it wrote
  std::int64_t capture_dropped = 0;         // frames the kernel dropped before the agent
  bool is_filtered = false;                 // the capture kept only some frames on purpose
  std::int64_t captured_payload_bytes = 0;  // transport payload of tx frames
  std::vector<CapturedStream> streams;
  std::map<std::uint32_t, std::int64_t> rtt_percentiles_ns;  // by per mille; empty without samples
};

// What iperf says of its test.
struct TrafficEvidence {
  std::string sender, receiver;  // services
  bool is_tcp = true;
  bool is_reverse = false;                                       // the server sends
  std::vector<std::pair<std::uint16_t, std::uint16_t>> streams;  // client's port, server's port
  std::int64_t bytes_sent = 0, bytes_received = 0;
  std::string not_checkable;  // why its numbers do not cover the whole streams; empty: they do
};

struct Term {
  std::string name;
  std::int64_t value = 0;
  std::string source;  // file of the bundle
};

// exact: no difference. explained: a difference of a named cause and a size that is possible.
// unexplained: the run cannot be trusted. not_checked: a source is missing; `reason` says which.
enum class IdentityVerdict : std::uint8_t { exact, explained, unexplained, not_checked };

[[nodiscard]] const char* verdict_text(IdentityVerdict verdict);

// The first term equals the sum of the others; `difference` is what is left.
struct Identity {
  std::string name, service, direction, unit;
  std::vector<Term> terms;
  std::int64_t difference = 0;
  IdentityVerdict verdict = IdentityVerdict::not_checked;
  std::string reason;
};

struct Reconciliation {
  std::vector<Identity> identities;
  // Sources that disagree with most others of the same quantity, as "SOURCE of SERVICE".
  std::vector<std::string> suspects;
  // One line for every identity that is unexplained; a suspect is named when there is one.
  [[nodiscard]] std::vector<std::string> problems() const;
};

Reconciliation reconcile(const std::vector<ServiceEvidence>& services,
                         const std::optional<TrafficEvidence>& traffic);

// reconciliation.json, schema trafficlab.reconciliation/1.
nlohmann::ordered_json reconciliation_json(const Reconciliation& reconciliation);

}  // namespace tl
