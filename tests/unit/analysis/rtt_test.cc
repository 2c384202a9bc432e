#include "analysis/rtt.hh"

#include <doctest/doctest.h>

#include "support/rtt_run.hh"
#include "support/tcp_talk.hh"

namespace tl::analysis_rtt_test {
using namespace tl::test;

namespace {

constexpr std::int64_t kUs = 1000;
constexpr std::int64_t kMs = 1000 * kUs;
using List = std::vector<std::int64_t>;

Said data(std::uint32_t sequence, std::size_t bytes, std::uint8_t flags = kAck) {
  return {.sequence = sequence, .acknowledgment = 5001, .payload_bytes = bytes, .flags = flags};
}
Said ack(std::uint32_t acknowledgment,
         std::vector<std::pair<std::uint32_t, std::uint32_t>> sack = {}) {
  return {.sequence = 5001, .acknowledgment = acknowledgment, .sack = std::move(sack)};
}

List acks(const RttRun& run) { return run.samples(RttEnd::server, RttMethod::ack); }
RttCounters to_server(const RttRun& run) {
  CHECK(run.broken_identity() == "");
  return run.counters(RttEnd::server);
}

}  // namespace

TEST_CASE("R-5 an ACK held up by a retransmission of earlier bytes is no sample") {
  // Without SACK: 1001 is lost, 1101 arrives, and its ACK waits for 1001.
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .client(101'000, data(1101, 100))
                       .client(300'000, data(1001, 100))
                       .server(310'000, ack(1201))
                       .capture()};
  CHECK(acks(run).empty());
  CHECK(to_server(run).intervening == 1);
  CHECK(to_server(run).cum_acked == 1);
}

TEST_CASE("R-5 a retransmission of later bytes does not spoil an earlier sample") {
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .client(100'100, data(1101, 100))
                       .client(100'200, data(1101, 100))
                       .server(110'000, ack(1101))
                       .capture()};
  CHECK(acks(run) == List{10 * kMs});
}

TEST_CASE("R-5 a retransmission of bytes acknowledged since spoils what was sent before it") {
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .server(110'000, ack(1101))
                       .client(120'000, data(1101, 100))
                       .client(121'000, data(1001, 100))  // spurious
                       .server(131'000, ack(1201))
                       .client(140'000, data(1201, 100))
                       .server(150'000, ack(1301))
                       .capture()};
  CHECK(acks(run) == List{10 * kMs, 10 * kMs});
  CHECK(to_server(run).intervening == 1);
}

TEST_CASE("a retransmission that carries new bytes gives a sample for those alone") {
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .client(200'000, data(1001, 300))
                       .server(210'000, ack(1301))
                       .capture()};
  CHECK(acks(run) == List{10 * kMs});
  CHECK(to_server(run).cum_acked == 1);
  CHECK(to_server(run).segments == 3);  // SYN, and two pieces
}

TEST_CASE("a SYN or SYN/ACK that was sent twice gives no sample") {
  constexpr std::uint8_t kSynAck = kSyn | kAck;
  const RttRun run{
      TcpTalk{}
          .client(0, {.sequence = 1000, .flags = kSyn})
          .client(1'000'000, {.sequence = 1000, .flags = kSyn})
          .server(1'010'000, {.sequence = 5000, .acknowledgment = 1001, .flags = kSynAck})
          .server(2'010'000, {.sequence = 5000, .acknowledgment = 1001, .flags = kSynAck})
          .client(2'010'100, {.sequence = 1001, .acknowledgment = 5001})
          .capture()};
  CHECK(run.events().empty());
  CHECK(run.counters().karn_ambiguous == 2);
  CHECK(run.broken_identity() == "");
}

TEST_CASE("a refused SYN gives a sample: the RST acknowledges it") {
  constexpr std::uint8_t kRefusal = kRst | kAck;
  const RttRun run{TcpTalk{}
                       .client(0, {.sequence = 1000, .flags = kSyn})
                       .server(7'000, {.sequence = 0, .acknowledgment = 1001, .flags = kRefusal})
                       .capture()};
  CHECK(run.samples(RttEnd::server, RttMethod::syn) == List{7 * kMs});
}

TEST_CASE("FIN counts one, with data and alone") {
  constexpr std::uint8_t kFinAck = kFin | kAck;
  const RttRun run{
      TcpTalk{}
          .handshake(false)
          .client(100'000, data(1001, 100, kFinAck))
          .server(110'000, ack(1102))
          .server(120'000, {.sequence = 5001, .acknowledgment = 1102, .flags = kFinAck})
          .client(120'300, {.sequence = 1102, .acknowledgment = 5002})
          .capture()};
  CHECK(acks(run) == List{10 * kMs});
  CHECK(run.samples(RttEnd::client, RttMethod::ack) == List{300 * kUs});
  CHECK(run.counters().acked_unseen == 0);
}

TEST_CASE("R-5 keep-alives with and without a byte give no sample and spoil none") {
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .server(110'000, ack(1101))
                       .client(60'000'000, data(1100, 1))
                       .server(60'010'000, ack(1101))
                       .client(120'000'000, data(1100, 0))
                       .server(120'010'000, ack(1101))
                       .client(120'020'000, data(1101, 100))
                       .server(120'030'000, ack(1201))
                       .capture()};
  CHECK(acks(run) == List{10 * kMs, 10 * kMs});
  CHECK(to_server(run).keep_alives == 2);
  CHECK(to_server(run).retransmissions == 0);
}

TEST_CASE("R-5 zero-window probes give no sample: their answer waits for the application") {
  Said closed = ack(1101);
  closed.window = 0;
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .server(110'000, closed)
                       .client(310'000, data(1101, 1))  // one new byte
                       .server(320'000, closed)
                       .client(710'000, data(1100, 0))  // Linux: an old one, empty
                       .server(720'000, closed)
                       .server(900'000, ack(1102))  // the window opens
                       .client(901'000, data(1102, 100))
                       .server(911'000, ack(1202))
                       .capture()};
  CHECK(acks(run) == List{10 * kMs, 10 * kMs});
  CHECK(to_server(run).window_probes == 2);
  CHECK(to_server(run).probes == 1);
}

TEST_CASE("R-5 another connection on the same ports starts afresh, whatever was outstanding") {
  TcpTalk talk;
  talk.handshake(false).client(100'000, data(1001, 100));
  talk.server(106'000, {.sequence = 5001, .acknowledgment = 1001, .payload_bytes = 10});
  const std::uint32_t isn = 1051;  // inside what the earlier one had in flight
  talk.client(20'000'000, {.sequence = isn, .flags = kSyn})
      .server(20'010'000, {.sequence = 900, .acknowledgment = isn + 1, .flags = kSyn | kAck})
      .client(20'010'100, {.sequence = isn + 1, .acknowledgment = 901})
      .client(20'020'000, {.sequence = isn + 1, .acknowledgment = 901, .payload_bytes = 100})
      .server(20'033'000, {.sequence = 901, .acknowledgment = isn + 101});
  const RttRun run{talk.capture()};
  CHECK(run.samples(RttEnd::server, RttMethod::syn) == List{10 * kMs, 10 * kMs});
  CHECK(acks(run) == List{13 * kMs});
  CHECK(to_server(run).abandoned == 1);
  CHECK(run.counters(RttEnd::client).abandoned == 1);
  CHECK(to_server(run).restarts == 1);
}

TEST_CASE("both ends opening at once keep both of their SYNs") {
  const RttRun run{
      TcpTalk{}
          .client(0, {.sequence = 1000, .flags = kSyn})
          .server(1'000, {.sequence = 5000, .flags = kSyn})
          .client(2'000, {.sequence = 1000, .acknowledgment = 5001, .flags = kSyn | kAck})
          .server(11'000, {.sequence = 5000, .acknowledgment = 1001, .flags = kSyn | kAck})
          .capture()};
  CHECK(run.counters().abandoned == 0);
  CHECK(run.samples(RttEnd::client, RttMethod::syn) == List{1 * kMs});
  CHECK(run.counters(RttEnd::server).karn_ambiguous == 1);  // its SYN/ACK was the second copy
}

TEST_CASE("an ACK of bytes the capture never showed is no sample of those before them") {
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .server(110'000, ack(1301))  // 1101…1300 went by unseen
                       .client(120'000, data(1301, 100))
                       .client(120'100, data(1501, 100))  // 1401…1500 too
                       .server(130'000, ack(1501))
                       .server(131'000, ack(1601))
                       .capture()};
  CHECK(acks(run) == List{10'900 * kUs});
  CHECK(to_server(run).acked_unseen == 2);
  CHECK(to_server(run).unseen_acks == 2);
}

TEST_CASE("bytes first seen late may be a second copy: no sample, and what was behind them waits") {
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1101, 100))
                       .client(150'000, data(1001, 100))
                       .server(160'000, ack(1101))
                       .server(160'100, ack(1201))
                       .capture()};
  CHECK(acks(run).empty());
  CHECK(to_server(run).karn_ambiguous == 1);
  CHECK(to_server(run).intervening == 1);
}

TEST_CASE(
    "an answer too late is stale, one from before is reversed time, and neither is a sample") {
  const RttRun late{TcpTalk{}
                        .handshake(false)
                        .client(100'000, data(1001, 100))
                        .server(60'200'000, ack(1101))
                        .capture()};
  CHECK(acks(late).empty());
  CHECK(to_server(late).stale == 1);
  const RttRun early{TcpTalk{}
                         .handshake(false)
                         .client(100'000, data(1001, 100))
                         .server(99'999, ack(1101))
                         .capture()};
  CHECK(acks(early).empty());
  CHECK(to_server(early).time_reversed == 1);
}

TEST_CASE("selective acknowledgments: the newest is sampled once, duplicates and repeats never") {
  const RttRun run{
      TcpTalk{}
          .handshake(false)
          .client(100'000, data(1001, 100))
          .client(101'000, data(1101, 100))
          .client(102'000, data(1201, 100))
          .client(103'000, data(1301, 100))
          .server(112'000, ack(1001, {{1101, 1301}}))                // two at once
          .server(113'000, ack(1001, {{1301, 1401}, {1101, 1301}}))  // one more
          .server(114'000, ack(1001, {{901, 1001}, {1101, 1401}}))   // a duplicate report
          .server(115'000, ack(1001, {{1301, 9999}}))                // beyond what was sent
          .capture()};
  CHECK(run.samples(RttEnd::server, RttMethod::sack) == List{10 * kMs, 10 * kMs});
  CHECK(to_server(run).cum_acked == 1);
}

TEST_CASE("a hole filled by a late original, without any retransmission, is a true sample") {
  // The network reordered 1001 and 1101: the ACK of both answers 1001, which arrived last.
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .client(101'000, data(1101, 100))
                       .server(111'000, ack(1001, {{1101, 1201}}))
                       .server(112'000, ack(1201))
                       .capture()};
  CHECK(run.samples(RttEnd::server, RttMethod::sack) == List{10 * kMs});
  CHECK(acks(run) == List{12 * kMs});
}

TEST_CASE("an ACK that also reports something new selectively answers that, not what it covers") {
  // The ACK of 1001 was lost, and so was 1101: the next ACK comes when 1201 arrives.
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .client(100'100, data(1101, 100))
                       .client(150'000, data(1201, 100))
                       .server(160'000, ack(1101, {{1201, 1301}}))
                       .capture()};
  CHECK(acks(run).empty());
  CHECK(run.samples(RttEnd::server, RttMethod::sack) == List{10 * kMs});
  CHECK(to_server(run).cum_acked == 1);
}

TEST_CASE("a selective acknowledgment first seen after a retransmission is no sample") {
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .client(101'000, data(1101, 100))
                       .client(300'000, data(1001, 100))
                       .server(310'000, ack(1001, {{1101, 1201}}))
                       .capture()};
  CHECK(run.samples(RttEnd::server, RttMethod::sack).empty());
  CHECK(to_server(run).intervening == 1);
}

TEST_CASE("a capture that begins in the middle of a connection measures what it sees whole") {
  const RttRun run{TcpTalk{}
                       .server(0, ack(1001))  // of bytes before the capture
                       .client(1'000, data(2001, 100))
                       .server(11'000, ack(2101))
                       .client(12'000, data(1501, 100))  // an old retransmission
                       .client(13'000, data(2101, 100))
                       .server(24'000, ack(2201))
                       .capture()};
  // Whose packet comes first counts as the client.
  CHECK(run.samples(RttEnd::client, RttMethod::ack) == List{10 * kMs, 11 * kMs});
  CHECK(run.counters(RttEnd::client).retransmissions == 1);
}

TEST_CASE("segments outstanding beyond the limit are forgotten oldest first, and counted") {
  TcpTalk talk;
  talk.handshake(false);
  constexpr std::uint32_t kSent = UnackedList::kMost + 100;
  for (std::uint32_t i = 0; i < kSent; ++i) talk.client(100'000 + i, data(1001 + i * 10, 10));
  talk.server(200'000, ack(1001 + kSent * 10));
  const RttRun run{talk.capture()};
  CHECK(to_server(run).forgotten == 100);
  CHECK(to_server(run).cum_acked == UnackedList::kMost - 1);
  CHECK(acks(run).size() == 1);
}

TEST_CASE("memory for all flows together runs out: quiet flows forget first, and it is counted") {
  std::vector<MadePacket> packets;
  constexpr std::uint16_t kFlows = 1000;
  for (std::uint16_t flow = 0; flow < kFlows; ++flow) {
    TcpTalk talk{flow};
    for (std::uint32_t i = 0; i < 20; ++i) talk.client(flow * 1000 + i, data(1 + i * 10, 10));
    packets.insert(packets.end(), talk.packets().begin(), talk.packets().end());
  }
  TcpTalk busy{5000};
  busy.client(2'000'000, data(1, 10)).server(2'010'000, ack(11));
  packets.insert(packets.end(), busy.packets().begin(), busy.packets().end());
  const RttRun run{pcap_file(packets), {.most_segments = UnackedList::kMost + 1024}};
  CHECK(acks(run) == List{10 * kMs});
  const RttCounters counters = to_server(run);
  CHECK(counters.forgotten > kFlows * 20 - 2048);
  CHECK(counters.forgotten < kFlows * 20);
}

TEST_CASE("evicted flows keep their samples in the sums") {
  std::vector<MadePacket> packets;
  constexpr std::uint16_t kFlows = 2000;
  for (std::uint16_t flow = 0; flow < kFlows; ++flow) {
    TcpTalk talk{flow};
    talk.client(flow * 100'000, data(1, 10)).server(flow * 100'000 + 10'000, ack(11));
    talk.client(flow * 100'000 + 20'000, data(11, 10));
    packets.insert(packets.end(), talk.packets().begin(), talk.packets().end());
  }
  const RttRun run{pcap_file(packets), {}, FlowTable::kFewestFlows};
  const RttCounters counters = to_server(run);
  CHECK(counters.samples[static_cast<std::size_t>(RttMethod::ack)] == kFlows);
  CHECK(run.table().evictions() == kFlows - FlowTable::kFewestFlows);
  CHECK(counters.forgotten == run.table().evictions());
  CHECK(run.table().totals()[0].rtt.maximum_ns() == 10 * kMs);
}

TEST_CASE("the tick of the sender's timestamp clock is learnt from its slope") {
  TcpTalk talk;
  for (std::uint32_t i = 0; i < 20; ++i) {
    Said said = data(1001 + i, 1);
    said.timestamps = {1000 + i * 5, 1};
    talk.client(i * 20'000, said);
  }
  const RttRun run{talk.capture()};
  CHECK(run.table().flow(0)->halves[0].timestamp_tick_ns() == 4 * kMs);
}

TEST_CASE("a lone segment answered after 40 ms and more is kept, and marked as suspect") {
  const RttRun run{TcpTalk{}
                       .handshake(false)
                       .client(100'000, data(1001, 100))
                       .server(140'000, ack(1101))
                       .capture()};
  CHECK(acks(run) == List{40 * kMs});
  CHECK(to_server(run).delayed_suspects == 1);
}
}  // namespace tl::analysis_rtt_test
