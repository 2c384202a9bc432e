// Tests 2 and 10 of the telemetry reference: the ICMP engine against a responder that does exactly
// what the test says.
#include "probe/ping.hh"

#include <doctest/doctest.h>

#include <fstream>

#include "base/process.hh"
#include "probe/ping_statistics.hh"
#include "support/ping_lab.hh"

namespace tl::ping_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

PingOptions quick(int count) {
  PingOptions options;
  options.count = count;
  options.interval = 2ms;
  options.timeout = 300ms;
  return options;
}

// The balance that holds whatever comes back.
void check_balance(const PingResult& r) {
  CHECK(r.replies.size() == static_cast<std::size_t>(r.received));
  CHECK(r.received + r.late + r.send_errors + r.unreachable <= r.attempts);
}

PingResult ping_from(const NetNs& ns, const std::string& host, const PingOptions& options) {
  return ns.run([&] { return ping(host, options); });
}

void allow_datagram_sockets(const NetNs& ns) {
  ns.run([] { std::ofstream{"/proc/sys/net/ipv4/ping_group_range"} << "0 2147483647\n"; });
}

}  // namespace

TEST_CASE("10 lost and duplicated replies are counted exactly") {
  PingLab lab{[](std::uint16_t sequence, std::vector<std::uint8_t> request) {
    std::vector<PingLab::Answer> answers;
    if (sequence % 10 == 3) return answers;  // lost
    answers.push_back({PingLab::reply(request)});
    if (sequence % 20 == 5) answers.push_back({PingLab::reply(request)});
    if (sequence == 7) answers.insert(answers.end(), 2, {PingLab::reply(request)});
    return answers;
  }};
  for (const bool datagram : {false, true}) {
    CAPTURE(datagram);
    if (datagram) allow_datagram_sockets(lab.near());
    const PingResult r = ping_from(lab.near(), PingLab::kFar, quick(100));
    CHECK(r.used_raw_socket == !datagram);
    CHECK(r.attempts == 100);
    CHECK(r.received == 90);
    CHECK(r.duplicates == 5 + 2);
    CHECK(r.send_errors + r.late + r.mismatched + r.reordered + r.unreachable == 0);
    CHECK(summarise(r).loss_pct == 10.0);
    check_balance(r);
  }
}

TEST_CASE("10 forged replies are counted and never mixed into the round trips") {
  PingLab lab{[](std::uint16_t sequence, std::vector<std::uint8_t> request) {
    std::vector<PingLab::Answer> answers;
    const auto add = [&](auto change) { answers.push_back({PingLab::reply(request, change)}); };
    if (sequence == 0) add([](auto& m) { m[8] ^= 1U; });      // another nonce
    if (sequence == 1) add([](auto& m) { m.back() ^= 1U; });  // a changed payload
    if (sequence == 2) add([](auto& m) { m.resize(20); });    // a short one
    if (sequence == 3) add([](auto& m) { m[6] = 0x7F; });     // never sent
    if (sequence == 4) answers.push_back({PingLab::reply(request), 0ms, true});  // another host
    if (sequence == 5) add([](auto& m) { m[4] ^= 1U; });  // another program's identifier
    if (sequence == 6) add([](auto& m) { m[1] = 1; });    // no echo reply has this code
    if (sequence >= 7) answers.push_back({PingLab::reply(request)});
    return answers;
  }};
  const PingResult r = ping_from(lab.near(), PingLab::kFar, quick(10));
  CHECK(r.received == 3);
  CHECK(r.mismatched == 5);
  CHECK(r.duplicates == 0);
  for (const PingReply& reply : r.replies) CHECK(reply.sequence >= 7);
  check_balance(r);
}

TEST_CASE("10 late and reordered replies are counted as such") {
  PingOptions options;
  options.count = 4;
  options.interval = 40ms;
  options.timeout = 200ms;
  // The last request stays open until its own timeout, so that the late one is seen arriving.
  const PingLab lab{[](std::uint16_t sequence, std::vector<std::uint8_t> request) {
    if (sequence == 3) return std::vector<PingLab::Answer>{};
    const std::chrono::milliseconds after{sequence == 0 ? 250 : (sequence == 1 ? 60 : 0)};
    return std::vector<PingLab::Answer>{{PingLab::reply(request), after}};
  }};
  const PingResult r = ping_from(lab.near(), PingLab::kFar, options);
  CHECK(r.received == 2);
  CHECK(r.late == 1);
  CHECK(r.reordered == 1);
  CHECK(summarise(r).loss_pct == 50.0);
  REQUIRE(r.replies.size() == 2);
  CHECK(r.replies[0].sequence == 2);
  CHECK(r.replies[1].sequence == 1);
  CHECK(r.replies[1].rtt >= 60ms);
  check_balance(r);
}

TEST_CASE("10 a known delay is found in every round trip, and the kernel's clock is used") {
  PingLab lab{[](std::uint16_t, std::vector<std::uint8_t> request) {
    return std::vector<PingLab::Answer>{{PingLab::reply(request), 20ms}};
  }};
  const PingResult r = ping_from(lab.near(), PingLab::kFar, quick(10));
  CHECK(r.received == 10);
  for (const PingReply& reply : r.replies) {
    CHECK(reply.rtt >= 20ms);
    CHECK(reply.clock == PingClock::kernel);
    CHECK(reply.rtt_from_send > reply.rtt);  // the way into the kernel comes on top
  }
}

TEST_CASE("10 both socket kinds and both address families get every answer of the kernel") {
  const PingLab lab;
  for (const char* host : {PingLab::kFar, PingLab::kFar6})
    for (const bool datagram : {false, true}) {
      CAPTURE(std::string{host});
      CAPTURE(datagram);
      if (datagram) allow_datagram_sockets(lab.near());
      PingOptions options = quick(20);
      options.allow_datagram_socket = datagram;
      const PingResult r = ping_from(lab.near(), host, options);
      CHECK(r.received == 20);
      CHECK(r.used_raw_socket == !datagram);
      CHECK(r.address == host);
      CHECK(r.mismatched + r.duplicates == 0);
      for (const PingReply& reply : r.replies) {
        CHECK(reply.clock == PingClock::kernel);
        CHECK(reply.rtt > 0ns);
      }
    }
}

TEST_CASE("2 no route, no host, no name and no family are failures with a reason") {
  const NetNs lonely = NetNs::create();
  const PingResult no_route = ping_from(lonely, "198.18.40.9", quick(3));
  CHECK(no_route.send_errors == 3);
  CHECK(no_route.error == "send: Network is unreachable");
  const PingLab lab;
  const PingResult no_name = ping_from(lab.near(), "no-such-host.invalid", quick(3));
  CHECK(no_name.error.starts_with("resolve no-such-host.invalid: "));
  PingOptions v6_only = quick(3);
  v6_only.family = IpFamily::v6;
  const PingResult no_family = ping_from(lab.near(), PingLab::kFar, v6_only);
  CHECK(no_family.error.starts_with("resolve 198.18.40.2: "));
  const PingLab blackhole{[](auto, auto) { return std::vector<PingLab::Answer>{}; }};
  const PingResult silent = ping_from(blackhole.near(), PingLab::kFar, quick(3));
  CHECK(silent.send_errors == 0);
  CHECK(silent.error == "");
  for (const PingResult& r : {no_route, no_name, no_family, silent}) {
    CHECK(r.attempts == 3);
    CHECK(r.received == 0);
    CHECK_FALSE(r.ok());
    const PingSummary summary = summarise(r);
    CHECK(summary.loss_pct == 100.0);
    CHECK_FALSE(summary.average_ms);
    CHECK_FALSE(summary.min_ms);
    CHECK_FALSE(summary.jitter_ms);
  }
}

TEST_CASE("2 a host that answers nobody on the network is reported by its neighbour's silence") {
  // ARP fails after about three seconds: the kernel then reports the host as unreachable.
  const PingLab lab;
  PingOptions options = quick(2);
  options.timeout = 8s;
  const PingResult r = ping_from(lab.near(), "198.18.40.77", options);
  CHECK(r.received == 0);
  CHECK(r.unreachable == 2);
  CHECK(r.error == "No route to host");
}
}  // namespace tl::ping_test
