#include "analysis/reconcile.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tl {
namespace {

constexpr std::int64_t kTcpCookieBytes = 37;  // iperf3 opens every TCP stream with it (iperf_api.h)
constexpr std::int64_t kUdpHelloBytes = 4;  // and every UDP stream with one datagram (iperf_udp.c)
// More than any socket buffer holds (tcp_rmem, tcp_wmem), per stream.
constexpr std::int64_t kMostBufferedBytes = 64 << 20;

constexpr const char* kOutside = "captured before or after the counters counted";
constexpr const char* kBuckets = "counters/container.csv";
constexpr const char* kCounters = "counters/counters.json, counted";
constexpr const char* kDevice = "counters/counters.json, statistics";

// One quantity of Amounts, for loops over all four.
struct Quantity {
  const char* direction;
  const char* unit;
  std::int64_t Amounts::*member;
};
constexpr std::array<Quantity, 4> kQuantities{{{"rx", "bytes", &Amounts::rx_bytes},
                                               {"rx", "packets", &Amounts::rx_packets},
                                               {"tx", "bytes", &Amounts::tx_bytes},
                                               {"tx", "packets", &Amounts::tx_packets}}};

Identity compare(std::string name, const std::string& service, const Quantity& quantity,
                 std::vector<Term> terms) {
  Identity identity{std::move(name),  service, quantity.direction,     quantity.unit,
                    std::move(terms), 0,       IdentityVerdict::exact, ""};
  identity.difference = identity.terms.front().value;
  for (std::size_t i = 1; i < identity.terms.size(); ++i)
    identity.difference -= identity.terms[i].value;
  identity.verdict =
      identity.difference == 0 ? IdentityVerdict::exact : IdentityVerdict::unexplained;
  return identity;
}

Identity not_checked(std::string name, const std::string& service, std::string direction,
                     std::string reason) {
  return {std::move(name),  service, std::move(direction), "", {}, 0, IdentityVerdict::not_checked,
          std::move(reason)};
}

std::string capture_file(const ServiceEvidence& e) { return "captures/" + e.service + ".pcap"; }
std::string capture_account(const ServiceEvidence& e) {
  return "captures/" + e.service + ".capture.json";
}

// Makes what is left a term with a name.
void explain(Identity& identity, Term term) {
  identity.reason = term.name;
  identity.terms.push_back(std::move(term));
  identity.difference = 0;
  identity.verdict = IdentityVerdict::explained;
}

// The frames that a capture lacks are those its kernel dropped, as many as that and of whatever
// size; of both directions together, because the kernel does not say of which.
void explain_drops(const std::vector<Identity*>& identities, std::int64_t dropped) {
  if (dropped == 0) return;
  std::int64_t missing_packets = 0;
  for (const Identity* i : identities) {
    if (i->difference < 0) return;
    if (i->unit == "packets") missing_packets += i->difference;
  }
  if (missing_packets != dropped) return;
  for (Identity* i : identities) {
    if (i->verdict != IdentityVerdict::unexplained) continue;
    explain(*i, {"dropped before the capture took them", i->difference, i->terms.back().source});
  }
}

struct Source {
  std::string name;
  const std::optional<Amounts>* amounts;
};

std::vector<Source> sources_of(const ServiceEvidence& e) {
  return {{kBuckets, &e.buckets},
          {kCounters, &e.counted},
          {kDevice, &e.device},
          {capture_file(e), &e.capture},
          {capture_account(e), &e.capture_account}};
}

class Reconciler {
 public:
  Reconciliation reconcile(const std::vector<ServiceEvidence>& services,
                           const std::optional<TrafficEvidence>& traffic) {
    for (const ServiceEvidence& e : services) {
      pair("counter buckets = cumulative counters", e, kBuckets, e.buckets, kCounters, e.counted);
      pair("counters = device statistics", e, kCounters, e.counted, kDevice, e.device);
      explain_refused(e);
      pair("capture file = capture account", e, capture_file(e), e.capture, capture_account(e),
           e.capture_account);
      counters_and_capture(e);
      suspect(e);
    }
    if (traffic) iperf(services, *traffic);
    return std::move(result_);
  }

 private:
  void add(Identity identity) { result_.identities.push_back(std::move(identity)); }

  void pair(const char* name, const ServiceEvidence& e, const std::string& left_source,
            const std::optional<Amounts>& left, const std::string& right_source,
            const std::optional<Amounts>& right) {
    if (!left || !right)
      return add(not_checked(name, e.service, "both",
                             fmt::format("{} is missing", left ? right_source : left_source)));
    for (const Quantity& q : kQuantities)
      add(compare(name, e.service, q,
                  {{left_source, *left.*q.member, left_source},
                   {right_source, *right.*q.member, right_source}}));
  }

  // Refused packets of which only the number is known: their bytes become a term of their own in
  // the identity that was added last.
  void explain_refused(const ServiceEvidence& e) {
    if (e.refused_bytes == 0) return;
    const auto bytes = std::find_if(
        result_.identities.rbegin(), result_.identities.rend(),
        [](const Identity& i) { return i.unit == "bytes" && std::string{i.direction} == "tx"; });
    bytes->terms.back().value -= e.refused_bytes;
    explain(*bytes, {"refused by the driver", e.refused_bytes, kDevice});
  }

  void counters_and_capture(const ServiceEvidence& e) {
    constexpr const char* kName = "counters = capture + drops";
    if (!e.counted || !e.capture)
      return add(not_checked(kName, e.service, "both", "counters or capture are missing"));
    if (e.is_filtered)
      return add(not_checked(kName, e.service, "both", "the capture had a filter"));
    std::vector<Identity> found;
    for (const Quantity& q : kQuantities)
      found.push_back(compare(kName, e.service, q,
                              {{"counters", *e.counted.*q.member, kCounters},
                               {"capture", *e.capture.*q.member, capture_file(e)},
                               {kOutside, -(e.capture_outside.*q.member), capture_file(e)}}));
    std::vector<Identity*> pointers;
    for (Identity& i : found) pointers.push_back(&i);
    explain_drops(pointers, e.capture_dropped);
    for (Identity& i : found) add(std::move(i));
  }

  // Of five sources of the same number, the ones that differ from the majority.
  void suspect(const ServiceEvidence& e) {
    const std::vector<Source> sources = sources_of(e);
    for (const Source& source : sources) {
      const bool is_capture = source.name.starts_with("captures/");
      if (!*source.amounts || (is_capture && (e.is_filtered || e.capture_dropped != 0))) continue;
      for (const Quantity& q : kQuantities) {
        const auto value = [&](const Source& s) {
          return **s.amounts.*q.member -
                 (s.name.starts_with("captures/") ? e.capture_outside.*q.member : 0);
        };
        std::size_t agree = 0, disagree = 0;
        for (const Source& other : sources) {
          if (&other == &source || !*other.amounts) continue;
          (value(other) == value(source) ? agree : disagree) += 1;
        }
        if (disagree < 2 || agree >= disagree) continue;
        result_.suspects.push_back(source.name + " of " + e.service);
        break;
      }
    }
  }

  void iperf(const std::vector<ServiceEvidence>& services, const TrafficEvidence& traffic) {
    const auto of = [&](const std::string& name) {
      const auto found = std::find_if(services.begin(), services.end(),
                                      [&](const ServiceEvidence& e) { return e.service == name; });
      return found == services.end() ? nullptr : &*found;
    };
    iperf_side("iperf sent = stream payload", of(traffic.sender), traffic, true);
    iperf_side("iperf received = stream payload", of(traffic.receiver), traffic, false);
    device_bytes(of(traffic.sender), traffic);
  }

  // Whether this stream is one of the test's, and its side that carried the test's data.
  static const CapturedStream::Side* data_side(const CapturedStream& s,
                                               const TrafficEvidence& traffic) {
    const std::pair ports{s.client_port, s.server_port};
    if (s.protocol != (traffic.is_tcp ? "tcp" : "udp") ||
        std::find(traffic.streams.begin(), traffic.streams.end(), ports) == traffic.streams.end())
      return nullptr;
    return traffic.is_reverse ? &s.from_server : &s.from_client;
  }

  // What iperf puts into the data direction of all streams beside the data. A UDP server answers
  // each hello with one of its own.
  static std::int64_t opening_bytes(const TrafficEvidence& traffic) {
    const auto streams = static_cast<std::int64_t>(traffic.streams.size());
    if (!traffic.is_tcp) return streams * kUdpHelloBytes;
    return traffic.is_reverse ? 0 : streams * kTcpCookieBytes;
  }

  void iperf_side(const char* name, const ServiceEvidence* e, const TrafficEvidence& traffic,
                  bool is_sender) {
    const std::string& service = is_sender ? traffic.sender : traffic.receiver;
    const char* direction = is_sender ? "tx" : "rx";
    if (e == nullptr || !e->capture)
      return add(not_checked(name, service, direction, "its capture is missing"));
    if (!traffic.not_checkable.empty())
      return add(not_checked(name, service, direction, traffic.not_checkable));
    if (e->capture_dropped != 0)
      return add(not_checked(name, service, direction, "the capture lacks frames"));
    std::int64_t payload = 0, gaps = 0;
    std::size_t streams = 0;
    for (const CapturedStream& s : e->streams) {
      const CapturedStream::Side* side = data_side(s, traffic);
      if (side == nullptr) continue;
      payload += traffic.is_tcp ? side->span_bytes : side->payload_bytes;
      gaps += side->gap_bytes;
      ++streams;
    }
    const Quantity bytes{direction, "bytes", nullptr};
    Identity identity = compare(
        name, service, bytes,
        {{"payload of the streams", payload, capture_file(*e)},
         {"iperf", is_sender ? traffic.bytes_sent : traffic.bytes_received,
          is_sender == traffic.is_reverse ? "iperf/server.json" : "iperf/client.json"},
         {traffic.is_tcp ? "stream cookies" : "stream hellos", opening_bytes(traffic), "iperf3"}});
    if (streams != traffic.streams.size()) {
      identity.verdict = IdentityVerdict::unexplained;
      identity.reason =
          fmt::format("{} of {} streams are in the capture", streams, traffic.streams.size());
    } else if (identity.verdict == IdentityVerdict::unexplained) {
      explain_iperf(identity, traffic, is_sender, gaps);
    }
    add(std::move(identity));
  }

  // iperf closes its sockets when the time is over: what then lies in a socket buffer was sent, or
  // has arrived, without being in its numbers. Nothing else measures how much that is, so it is a
  // term of its own, and the verdict says so.
  static void explain_iperf(Identity& identity, const TrafficEvidence& traffic, bool is_sender,
                            std::int64_t gaps) {
    const std::int64_t most =
        kMostBufferedBytes * static_cast<std::int64_t>(traffic.streams.size());
    const std::string source = identity.terms.front().source;
    const std::int64_t difference = identity.difference;
    if (is_sender && traffic.is_tcp && difference < 0 && difference >= -most)
      explain(identity, {"unsent when the receiver closed", difference, source});
    else if (!is_sender && gaps > 0 && difference > 0 && difference <= gaps)
      explain(identity, {"gaps in the captured streams", difference, source});
    else if (!is_sender && difference > 0 && difference <= most)
      explain(identity, {"arrived and not read before the socket closed", difference, source});
  }

  // From what iperf sent to what the device sent, term by term.
  void device_bytes(const ServiceEvidence* e, const TrafficEvidence& traffic) {
    constexpr const char* kName = "device bytes = iperf + overhead";
    const auto skip = [&](std::string reason) {
      add(not_checked(kName, traffic.sender, "tx", std::move(reason)));
    };
    if (e == nullptr || !e->device || !e->capture) return skip("device or capture are missing");
    if (!traffic.not_checkable.empty()) return skip(traffic.not_checkable);
    if (e->capture_dropped != 0 || e->is_filtered) return skip("the capture lacks frames");
    std::int64_t retransmitted = 0, data = 0, unsent = 0;
    for (const CapturedStream& s : e->streams)
      if (const CapturedStream::Side* side = data_side(s, traffic)) {
        data += side->payload_bytes;
        retransmitted += traffic.is_tcp ? side->retransmitted_bytes : 0;
      }
    const std::int64_t opening = opening_bytes(traffic);
    unsent = data - retransmitted - traffic.bytes_sent - opening;
    const std::string source = capture_file(*e);
    const Quantity bytes{"tx", "bytes", nullptr};
    std::vector<Term> terms{
        {"device", e->device->tx_bytes, kDevice},
        {"iperf", traffic.bytes_sent,
         traffic.is_reverse ? "iperf/server.json" : "iperf/client.json"},
        {traffic.is_tcp ? "stream cookies" : "stream hellos", opening, "iperf3"},
        {"retransmitted", retransmitted, source},
        {"control connection and others", e->captured_payload_bytes - data, source},
        {"headers and frames without payload", e->capture->tx_bytes - e->captured_payload_bytes,
         source},
        {kOutside, -e->capture_outside.tx_bytes, source}};
    if (unsent < 0 && traffic.is_tcp)
      terms.push_back({"unsent when the receiver closed", unsent, source});
    add(compare(kName, e->service, bytes, std::move(terms)));
  }

  Reconciliation result_;
};

}  // namespace

const char* verdict_text(IdentityVerdict verdict) {
  switch (verdict) {
    case IdentityVerdict::exact:
      return "exact";
    case IdentityVerdict::explained:
      return "explained";
    case IdentityVerdict::unexplained:
      return "unexplained";
    case IdentityVerdict::not_checked:
      return "not checked";
  }
  return "";
}

std::vector<std::string> Reconciliation::problems() const {
  std::vector<std::string> lines;
  for (const Identity& i : identities) {
    if (i.verdict != IdentityVerdict::unexplained) continue;
    std::string line =
        fmt::format("{} {}: {}: {} and {} differ by {} {}", i.service, i.direction, i.name,
                    i.terms.at(0).source, i.terms.at(1).source, i.difference, i.unit);
    if (!i.reason.empty()) line += " (" + i.reason + ")";
    for (const std::string& suspect : suspects)
      if (suspect.ends_with(" of " + i.service)) line += "; alone against the others: " + suspect;
    lines.push_back(std::move(line));
  }
  return lines;
}

Reconciliation reconcile(const std::vector<ServiceEvidence>& services,
                         const std::optional<TrafficEvidence>& traffic) {
  return Reconciler{}.reconcile(services, traffic);
}

nlohmann::ordered_json reconciliation_json(const Reconciliation& reconciliation) {
  nlohmann::ordered_json out{{"schema", "trafficlab.reconciliation/1"}};
  out["suspects"] = reconciliation.suspects;
  out["identities"] = nlohmann::ordered_json::array();
  for (const Identity& i : reconciliation.identities) {
    nlohmann::ordered_json terms = nlohmann::ordered_json::array();
    for (const Term& t : i.terms)
      terms.push_back({{"name", t.name}, {"value", t.value}, {"source", t.source}});
    nlohmann::ordered_json one{{"name", i.name},
                               {"service", i.service},
                               {"direction", i.direction},
                               {"unit", i.unit},
                               {"terms", terms},
                               {"difference", i.difference},
                               {"verdict", verdict_text(i.verdict)}};
    one["reason"] = i.reason.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(i.reason);
    out["identities"].push_back(std::move(one));
  }
  return out;
}

}  // namespace tl
