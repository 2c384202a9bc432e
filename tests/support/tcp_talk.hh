// One TCP connection written down segment by segment, as a tap would see it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/capture_maker.hh"

namespace tl::test {

struct Said {
  std::uint32_t sequence = 0, acknowledgment = 0;
  std::size_t payload_bytes = 0;
  std::uint8_t flags = 0x10;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> timestamps = {};  // TSval, TSecr
  std::vector<std::pair<std::uint32_t, std::uint32_t>> sack = {};
  std::uint16_t window = 65000;
  std::uint16_t identity = 1;  // of the IPv4 header
};

class TcpTalk {
 public:
  static constexpr std::int64_t kStart = 1'700'000'000'000'000'000;
  static constexpr const char* kClient = "198.18.0.2";
  static constexpr const char* kServer = "198.18.0.3";

  explicit TcpTalk(std::uint16_t client_port = 40000, std::uint16_t server_port = 5201)
      : client_port_{client_port}, server_port_{server_port} {}

  // `at_us` microseconds after kStart; packets are written in the order of the calls.
  TcpTalk& client(std::int64_t at_us, const Said& said) { return say(at_us, true, said); }
  TcpTalk& server(std::int64_t at_us, const Said& said) { return say(at_us, false, said); }
  // SYN (ISN 1000) at 0, SYN/ACK (ISN 5000) at 10 ms, ACK at 10.1 ms: 1001 and 5001 come next.
  TcpTalk& handshake(bool with_timestamps = true);

  [[nodiscard]] const std::vector<MadePacket>& packets() const { return packets_; }
  [[nodiscard]] Bytes capture() const { return pcap_file(packets_); }

 private:
  TcpTalk& say(std::int64_t at_us, bool by_client, const Said& said);

  std::uint16_t client_port_, server_port_;
  std::vector<MadePacket> packets_;
};

// The cases of which the true round-trip times are known, by name: one connection each, on a path
// of 10 ms from the tap to the server and back.
struct RttCase {
  std::string name;
  TcpTalk talk;
};
std::vector<RttCase> rtt_cases();

}  // namespace tl::test
