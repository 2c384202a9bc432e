#include "support/tcp_talk.hh"

namespace tl::test {
namespace {

constexpr std::uint8_t kSynFlag = 2, kSynAckFlags = 0x12, kPushAck = 0x18;
constexpr std::int64_t kMs = 1000;
constexpr std::int64_t kLater = 1000 * kMs;  // when the data of a case begins

using Stamps = std::pair<std::uint32_t, std::uint32_t>;

Said data(std::uint32_t sequence, std::size_t bytes, std::optional<Stamps> stamps = {}) {
  return {.sequence = sequence,
          .acknowledgment = 5001,
          .payload_bytes = bytes,
          .flags = kPushAck,
          .timestamps = stamps};
}

Said ack(std::uint32_t acknowledgment, std::optional<Stamps> stamps = {},
         std::vector<std::pair<std::uint32_t, std::uint32_t>> sack = {}) {
  return {.sequence = 5001,
          .acknowledgment = acknowledgment,
          .timestamps = stamps,
          .sack = std::move(sack)};
}

TcpTalk plain(bool with_timestamps) {
  const auto stamps = [&](Stamps s) { return with_timestamps ? std::optional{s} : std::nullopt; };
  return TcpTalk{1001, 80}
      .handshake(with_timestamps)
      .client(kLater, data(1001, 100, stamps({1000, 9001})))
      .server(kLater + 10 * kMs, ack(1101, stamps({10000, 1000})));
}

TcpTalk retransmitted() {
  return TcpTalk{1002, 80}
      .handshake()
      .client(kLater, data(1001, 100, Stamps{1000, 9001}))
      .client(kLater + 200 * kMs, data(1001, 100, Stamps{1200, 9001}))
      .server(kLater + 210 * kMs, ack(1101, Stamps{10200, 1200}));
}

TcpTalk delayed_ack() {
  return TcpTalk{1003, 80}
      .handshake()
      .client(kLater, data(1001, 100, Stamps{1000, 9001}))
      .client(kLater + 5 * kMs, data(1101, 100, Stamps{1005, 9001}))
      .server(kLater + 15 * kMs, ack(1201, Stamps{10015, 1000}));
}

TcpTalk hole() {
  TcpTalk talk{1004, 80};
  talk.handshake();
  for (std::uint32_t i = 0; i < 3; ++i)
    talk.client(kLater + i * kMs, data(1001 + 100 * i, 100, Stamps{1000 + i, 9001}));
  return talk.server(kLater + 11 * kMs, ack(1001, Stamps{10011, 11}, {{1101, 1201}}))
      .server(kLater + 12 * kMs, ack(1001, Stamps{10012, 11}, {{1101, 1301}}))
      .client(kLater + 50 * kMs, data(1001, 100, Stamps{1050, 9001}))
      .server(kLater + 60 * kMs, ack(1301, Stamps{10060, 1050}));
}

TcpTalk super_packet() {
  return TcpTalk{1005, 80}
      .handshake()
      .client(kLater, data(1001, 30000, Stamps{1000, 9001}))
      .server(kLater + 10 * kMs, ack(3897, Stamps{10010, 1000}))
      .server(kLater + 11 * kMs, ack(15001, Stamps{10011, 1000}))
      .server(kLater + 12 * kMs, ack(31001, Stamps{10012, 1000}));
}

TcpTalk idle_pure_ack() {
  const auto from_server = [](std::uint32_t sequence, Stamps stamps) {
    return Said{.sequence = sequence,
                .acknowledgment = 1001,
                .payload_bytes = 50,
                .flags = kPushAck,
                .timestamps = stamps};
  };
  const auto from_client = [](std::uint32_t acknowledgment, Stamps stamps) {
    return Said{.sequence = 1001, .acknowledgment = acknowledgment, .timestamps = stamps};
  };
  return TcpTalk{1007, 80}
      .handshake()
      .server(kLater, from_server(5001, {10000, 11}))
      .client(kLater + 500, from_client(5051, {1000, 10000}))
      .server(kLater + 500 * kMs, from_server(5051, {10500, 1000}))
      .client(kLater + 500 * kMs + 500, from_client(5101, {1500, 10500}));
}

TcpTalk keep_alive() {
  return TcpTalk{1010, 80}
      .handshake()
      .client(kLater, data(1001, 100, Stamps{1000, 9001}))
      .server(kLater + 10 * kMs, ack(1101, Stamps{10000, 1000}))
      .client(kLater + 60'000 * kMs, data(1100, 0, Stamps{61000, 10000}))
      .server(kLater + 60'010 * kMs, ack(1101, Stamps{70000, 61000}));
}

TcpTalk wrapping() {
  constexpr std::uint32_t kFirst = 0xFFFFFFFF - 50;
  return TcpTalk{1011, 80}
      .client(0, {.sequence = kFirst - 1, .flags = kSynFlag, .timestamps = Stamps{1, 0}})
      .server(10 * kMs, {.sequence = 5000,
                         .acknowledgment = kFirst,
                         .flags = kSynAckFlags,
                         .timestamps = Stamps{9001, 1}})
      .client(10 * kMs + 100,
              {.sequence = kFirst, .acknowledgment = 5001, .timestamps = Stamps{11, 9001}})
      .client(kLater, data(kFirst, 100, Stamps{1000, 9001}))
      .server(kLater + 10 * kMs, ack(kFirst + 100, Stamps{10000, 1000}));
}

}  // namespace

TcpTalk& TcpTalk::say(std::int64_t at_us, bool by_client, const Said& said) {
  Bytes options;
  if (said.timestamps) options = option_timestamps(said.timestamps->first, said.timestamps->second);
  if (!said.sack.empty()) options = std::move(options) + option_sack(said.sack);
  const Bytes segment = tcp({.source_port = by_client ? client_port_ : server_port_,
                             .destination_port = by_client ? server_port_ : client_port_,
                             .sequence = said.sequence,
                             .acknowledgment = said.acknowledgment,
                             .flags = said.flags,
                             .window = said.window,
                             .options = options,
                             .payload_bytes = said.payload_bytes});
  const Bytes packet =
      by_client ? ipv4(kClient, kServer, 6, segment) : ipv4(kServer, kClient, 6, segment);
  Bytes frame = ethernet(packet);
  constexpr std::size_t kIdentityAt = 14 + 4;
  frame[kIdentityAt] = static_cast<std::uint8_t>(said.identity >> 8);
  frame[kIdentityAt + 1] = static_cast<std::uint8_t>(said.identity);
  packets_.push_back({kStart + at_us * 1000, std::move(frame)});
  return *this;
}

TcpTalk& TcpTalk::handshake(bool with_timestamps) {
  const auto stamps = [&](std::uint32_t value, std::uint32_t echo) {
    return with_timestamps ? std::optional{Stamps{value, echo}} : std::nullopt;
  };
  client(0, {.sequence = 1000, .flags = kSynFlag, .timestamps = stamps(1, 0)});
  server(10 * kMs, {.sequence = 5000,
                    .acknowledgment = 1001,
                    .flags = kSynAckFlags,
                    .timestamps = stamps(9001, 1)});
  return client(10 * kMs + 100,
                {.sequence = 1001, .acknowledgment = 5001, .timestamps = stamps(11, 9001)});
}

std::vector<RttCase> rtt_cases() {
  return {{"S1_normal_10ms", plain(true)},
          {"S2_rtx_true10ms_ambig", retransmitted()},
          {"S3_delack_seq10_ts15", delayed_ack()},
          {"S4_hole_cumack_true10", hole()},
          {"S5_gso_30000B_partialacks_10_11_12", super_packet()},
          {"S7_pureack_idle_false500ms", idle_pure_ack()},
          {"S9_noTS", plain(false)},
          {"S10_keepalive", keep_alive()},
          {"S11_seqwrap", wrapping()}};
}

}  // namespace tl::test
