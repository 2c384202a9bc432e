// over networks of known delay, with losses in both directions, no sample is false.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/rtt_run.hh"
#include "support/tcp_simulation.hh"

namespace tl::analysis_rtt_network_test {
using namespace tl::test;

namespace {

constexpr std::int64_t kUs = 1000;

struct Range {
  std::int64_t low_ns = INT64_MAX, high_ns = 0;
  std::size_t count = 0;
};

Range range_of(const RttRun& run) {
  Range range;
  for (const RttEvent& event : run.events()) {
    if (event.end != RttEnd::server) continue;
    if (event.sample.method != RttMethod::ack && event.sample.method != RttMethod::sack) continue;
    range.low_ns = std::min(range.low_ns, event.sample.rtt_ns);
    range.high_ns = std::max(range.high_ns, event.sample.rtt_ns);
    ++range.count;
  }
  return range;
}

}  // namespace

TEST_CASE("R-5 without loss every ACK of new data gives exactly one sample") {
  const Exchange exchange = simulate({.delayed_ack_us = 0});
  const RttRun run{pcap_file(exchange.at_client)};
  CHECK(run.samples(RttEnd::server, RttMethod::ack).size() == 400);
  CHECK(run.counters(RttEnd::server).cum_acked == 0);
  CHECK(run.broken_identity() == "");
}

TEST_CASE("R-5 under loss of data and of ACKs every sample is a round trip of the path") {
  std::uint64_t excluded = 0;
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    const NetworkShape shape{
        .loss_per_mille = seed % 8 * 10, .ack_loss_per_mille = seed % 5 * 20, .seed = seed};
    const Exchange exchange = simulate(shape);
    const std::int64_t path_us = shape.to_server_us + shape.to_client_us;
    // A queue of packets that arrived at once adds a microsecond each.
    const std::int64_t slack_us = 2 * shape.jitter_us + shape.delayed_ack_us + 50;

    const RttRun at_client{pcap_file(exchange.at_client)};
    const Range far = range_of(at_client);
    CHECK(far.count > 20);
    CHECK(far.low_ns >= path_us * kUs);
    CHECK(far.high_ns <= (path_us + slack_us) * kUs);
    CHECK(at_client.broken_identity() == "");

    // The tap at the server misses what was lost before it, and sees the server's delay alone.
    const RttRun at_server{pcap_file(exchange.at_server)};
    const Range near = range_of(at_server);
    CHECK(near.count > 20);
    CHECK(near.high_ns <= shape.delayed_ack_us * kUs);
    CHECK(at_server.broken_identity() == "");

    const RttCounters c = at_client.counters(RttEnd::server);
    excluded += c.karn_ambiguous + c.intervening;
    CHECK(c.segments == 401);
    CHECK(c.answered + at_client.table().unanswered(RttEnd::server) == 401);
  }
  CHECK(excluded > 500);  // there was something to get wrong
}

TEST_CASE("any bytes as segments: the identities hold") {
  std::uint32_t state = 7;
  const auto next = [&](std::uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<MadePacket> packets;
    const std::uint32_t base = 0xFFFFF000 + next(8192);
    for (int i = 0; i < 100; ++i) {
      const bool client = next(2) == 0;
      const std::uint32_t at = base + next(2000);
      const Bytes segment =
          tcp({.source_port = static_cast<std::uint16_t>(client ? 1 : 2),
               .destination_port = static_cast<std::uint16_t>(client ? 2 : 1),
               .sequence = base + next(2000) + (next(50) == 0 ? 0x40000000 : 0),
               .acknowledgment = base + next(2000),
               .flags = static_cast<std::uint8_t>(next(30) == 0 ? next(64) : 0x10),
               .window = static_cast<std::uint16_t>(next(4) == 0 ? 0 : 1000),
               .options = next(3) == 0 ? option_sack({{at, at + next(500)}})
                                       : option_timestamps(next(20), next(20)),
               .payload_bytes = next(3) == 0 ? next(400) : next(2)});
      const auto time = static_cast<std::int64_t>(1'000'000'000) + i * 1000 - next(5000);
      packets.push_back({time, ethernet(client ? ipv4("10.0.0.1", "10.0.0.2", 6, segment)
                                               : ipv4("10.0.0.2", "10.0.0.1", 6, segment))});
    }
    const RttRun run{pcap_file(packets)};
    REQUIRE(run.broken_identity() == "");
  }
}
}  // namespace tl::analysis_rtt_network_test
