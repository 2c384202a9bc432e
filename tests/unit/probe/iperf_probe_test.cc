// Test 17 of the telemetry reference: what iperf 3.12 prints, and what is made of it.
#include "probe/iperf_probe.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "base/fd.hh"

namespace tl::probe_iperf_probe_test {
using namespace std::chrono_literals;

namespace {

std::string golden(const std::string& name) {
  return read_file(std::string{TL_SOURCE_DIR} + "/tests/golden/iperf-3.12/" + name + ".json");
}

bool is_udp(const std::vector<std::string>& options) {
  return std::find(options.begin(), options.end(), "--udp") != options.end();
}

}  // namespace

TEST_CASE("17 bandwidth is what the receiver reports, in every direction") {
  CHECK(read_iperf_tcp(golden("tcp")).bandwidth_mbps == doctest::Approx(21145.404693));
  CHECK(read_iperf_tcp(golden("tcp")).retransmits == 8);
  CHECK(read_iperf_tcp(golden("tcp_reverse")).bandwidth_mbps == doctest::Approx(9937.310983));
  CHECK(read_iperf_tcp(golden("tcp_bidir")).bandwidth_mbps == doctest::Approx(14375.665681));
}

TEST_CASE("17 jitter and loss come from the UDP test's receiver") {
  for (const char* name : {"udp", "udp_reverse"}) {
    const IperfUdp udp = read_iperf_udp(golden(name));
    CHECK(udp.error.empty());
    CHECK(*udp.jitter_ms > 0.0029);
    CHECK(*udp.jitter_ms < 0.0033);
    CHECK(udp.lost_packets == 0);
    CHECK(udp.packets == 39);
  }
}

TEST_CASE("17 an error key is a failure, whatever the exit code; so is no number") {
  for (const auto& json : {golden("error"), golden("busy"), std::string{"{}"}, std::string{"no"},
                           std::string{R"({"end":{"sum_received":{"bits_per_second":0}}})"}}) {
    CAPTURE(json);
    CHECK_FALSE(read_iperf_tcp(json).error.empty());
    CHECK_FALSE(read_iperf_tcp(json).bandwidth_mbps);
    CHECK_FALSE(read_iperf_udp(json).error.empty());
    CHECK_FALSE(read_iperf_udp(json).jitter_ms);
  }
  CHECK_FALSE(
      read_iperf_udp(R"({"end":{"sum":{"packets":5,"lost_packets":5,"jitter_ms":0}}})").jitter_ms);
}

TEST_CASE("17 a busy server is asked again after random waits, another error is final") {
  int calls = 0;
  std::vector<double> waits;
  const auto pause = [&](double seconds) { waits.push_back(seconds); };
  IperfProbeOptions options;
  options.server = "x";
  const auto outcome = probe_iperf(
      options,
      [&](const std::vector<std::string>& words, std::chrono::nanoseconds limit) {
        CHECK(limit == (is_udp(words) ? 10s : 15s));
        if (is_udp(words)) return golden("error");
        return golden(++calls < 3 ? "busy" : "tcp");
      },
      pause);
  CHECK(calls == 3);
  CHECK(outcome.tcp.error.empty());
  CHECK(outcome.udp.error == "unable to connect to server: Connection refused");
  REQUIRE(waits.size() == 2);
  CHECK(waits[0] >= 0.5);
  CHECK(waits[0] <= 2);
  CHECK(waits[1] <= 4);
}

TEST_CASE("17 a client that cannot run or takes too long is a failed test, not the program's end") {
  IperfProbeOptions options;
  options.udp_duration = 0s;
  const auto outcome = probe_iperf(
      options,
      [](const auto&, auto) -> std::string { throw MachineError{"run iperf: over its limit"}; },
      [](double) {});
  CHECK(outcome.tcp.error == "run iperf: over its limit");
  CHECK_FALSE(outcome.has_udp);
}
}  // namespace tl::probe_iperf_probe_test
