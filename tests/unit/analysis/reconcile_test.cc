#include "analysis/reconcile.hh"

#include <doctest/doctest.h>

#include <algorithm>

namespace tl::analysis_reconcile_test {
namespace {

// A service whose sources all say the same, and a test of one TCP stream of 1000 bytes.
ServiceEvidence consistent(const std::string& name, const Amounts& amounts) {
  ServiceEvidence e;
  e.service = name;
  e.buckets = e.counted = e.device = e.capture = e.capture_account = amounts;
  return e;
}

struct Case {
  // 1037 bytes of payload and 100 retransmitted in 20 frames of 54 bytes of headers; a control
  // connection of 60 bytes of payload is in the same frames.
  ServiceEvidence client = consistent("iperf-client", {700, 10, 1037 + 100 + 60 + 20 * 54, 20});
  ServiceEvidence server = consistent("iperf-server", {1037 + 100 + 60 + 20 * 54, 20, 700, 10});
  TrafficEvidence traffic;

  Case() {
    const CapturedStream data{"tcp", 40000, 5201, {1137, 1037, 100, 0}, {}};
    const CapturedStream control{"tcp", 39999, 5201, {60, 60, 0, 0}, {}};
    client.streams = server.streams = {control, data};
    client.captured_payload_bytes = 1197;
    traffic.sender = "iperf-client";
    traffic.receiver = "iperf-server";
    traffic.streams = {{40000, 5201}};
    traffic.bytes_sent = traffic.bytes_received = 1000;
  }
  [[nodiscard]] Reconciliation reconcile() const {
    return tl::reconcile({client, server}, traffic);
  }
};

std::size_t count(const Reconciliation& r, IdentityVerdict verdict) {
  return static_cast<std::size_t>(
      std::count_if(r.identities.begin(), r.identities.end(),
                    [&](const Identity& i) { return i.verdict == verdict; }));
}

bool names(const Reconciliation& r, const std::string& text) {
  const auto problems = r.problems();
  return std::any_of(problems.begin(), problems.end(),
                     [&](const std::string& p) { return p.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("reconciliation: sources that agree give identities without a difference") {
  const Reconciliation r = Case{}.reconcile();
  CHECK(r.identities.size() == 2 * 16 + 3);
  CHECK(count(r, IdentityVerdict::exact) == r.identities.size());
  CHECK(r.problems().empty());
  CHECK(r.suspects.empty());
}

TEST_CASE("reconciliation: each doctored source is found and named") {
  Case c;
  SUBCASE("a row of the counter stream") {
    c.server.buckets->rx_bytes += 1;
    CHECK(names(c.reconcile(), "alone against the others: counters/container.csv of iperf-server"));
  }
  SUBCASE("the cumulative counters") {
    c.client.counted->tx_packets -= 1;
    CHECK(names(c.reconcile(),
                "alone against the others: counters/counters.json, counted of iperf-client"));
  }
  SUBCASE("the device statistics") {
    c.server.device->rx_bytes += 66;
    CHECK(names(c.reconcile(),
                "alone against the others: counters/counters.json, statistics of iperf-server"));
  }
  SUBCASE("the capture file") {
    c.client.capture->tx_packets -= 1;
    c.client.capture->tx_bytes -= 54;
    CHECK(names(c.reconcile(),
                "alone against the others: captures/iperf-client.pcap of iperf-client"));
  }
  SUBCASE("the capture's account") {
    c.client.capture_account->rx_packets += 3;
    CHECK(names(c.reconcile(),
                "alone against the others: captures/iperf-client.capture.json of iperf-client"));
  }
  SUBCASE("iperf's sender") {
    c.traffic.bytes_sent -= 1;
    CHECK(names(c.reconcile(), "iperf/client.json differ by 1 bytes"));
  }
  SUBCASE("iperf's receiver") {
    c.traffic.bytes_received += 5;
    CHECK(names(c.reconcile(), "iperf/server.json differ by -5 bytes"));
  }
}

TEST_CASE("reconciliation: frames the kernel dropped explain a capture that lacks so many") {
  Case c;
  c.server.capture->rx_packets -= 2;
  c.server.capture->rx_bytes -= 108;
  c.server.capture_account = c.server.capture;
  c.server.capture_dropped = 2;
  const Reconciliation r = c.reconcile();
  CHECK(r.problems().empty());
  CHECK(count(r, IdentityVerdict::explained) == 2);
  c.server.capture_dropped = 1;
  CHECK(names(c.reconcile(), "counters = capture + drops"));
}

TEST_CASE("reconciliation: bytes of refused packets that were found as a difference are named") {
  Case c;
  c.client.refused_bytes = 108;  // of what `device` holds
  const Reconciliation r = c.reconcile();
  CHECK(r.problems().empty());
  CHECK(r.suspects.empty());
  REQUIRE(count(r, IdentityVerdict::explained) == 1);
  const auto found = std::find_if(r.identities.begin(), r.identities.end(), [](const Identity& i) {
    return i.verdict == IdentityVerdict::explained;
  });
  CHECK(found->name == "counters = device statistics");
  CHECK(found->service == "iperf-client");
  CHECK(found->direction == "tx");
  CHECK(found->unit == "bytes");
  REQUIRE(found->terms.size() == 3);
  CHECK(found->terms[1].value == c.client.device->tx_bytes - 108);
  CHECK(found->terms[2].value == 108);
}

TEST_CASE("reconciliation: frames captured after the counters had closed are a term with a name") {
  Case c;
  c.server.capture->rx_packets += 1;
  c.server.capture->rx_bytes += 54;
  c.server.capture_account = c.server.capture;
  CHECK_FALSE(c.reconcile().problems().empty());
  c.server.capture_outside = {54, 1, 0, 0};
  CHECK(c.reconcile().problems().empty());
  CHECK(c.reconcile().suspects.empty());
}

TEST_CASE("reconciliation: what lay in a socket when it was closed is a term with a name") {
  Case c;
  c.traffic.bytes_received = 900;
  const Reconciliation r = c.reconcile();
  CHECK(r.problems().empty());
  const auto found = std::find_if(r.identities.begin(), r.identities.end(), [](const Identity& i) {
    return i.verdict == IdentityVerdict::explained;
  });
  REQUIRE(found != r.identities.end());
  CHECK(found->difference == 0);
  CHECK(found->terms.back().name == "arrived and not read before the socket closed");
  CHECK(found->terms.back().value == 100);
}

TEST_CASE("reconciliation: a stream that no capture shows, and a missing source, are said") {
  Case c;
  c.traffic.streams.emplace_back(40001, 5201);
  CHECK(names(c.reconcile(), "1 of 2 streams are in the capture"));
  Case d;
  d.client.capture.reset();
  const Reconciliation r = d.reconcile();
  CHECK(r.problems().empty());
  CHECK(count(r, IdentityVerdict::not_checked) == 4);
}
}  // namespace tl::analysis_reconcile_test
