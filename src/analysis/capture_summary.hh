// What a capture holds, in numbers: the answers of capinfos(1), with every doubt counted beside
// them. docs/pcap.md defines each number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "analysis/pass.hh"

namespace tl {

// Packets larger than the MTU: GSO or GRO packets a tap saw before or after segmentation, or jumbo
// frames when the MTU was given too small.
struct SuperPackets {
  std::uint64_t packets = 0, frame_bytes = 0;
  std::uint64_t segments = 0;    // packets they are on the wire
  std::uint64_t wire_bytes = 0;  // frame bytes with the headers of every segment
  std::uint64_t by_mss = 0;      // of `packets`: segment size from the connection's MSS,
  std::uint64_t by_mtu = 0;      // … from the MTU, because no SYN was captured (or not TCP)

  SuperPackets& operator+=(const SuperPackets& other);
};

struct SummaryTotals {
  std::uint64_t packets = 0;
  std::uint64_t frame_bytes = 0;            // Σ length on the wire or at the tap
  std::uint64_t captured_bytes = 0;         // Σ bytes in the file
  std::uint64_t truncated = 0;              // packets with fewer captured bytes than their length
  std::uint32_t smallest = 0, largest = 0;  // frame bytes
  TimeRange time;
  std::uint64_t untimed = 0;          // packets without a usable timestamp
  std::uint64_t time_normalised = 0;  // microseconds >= 1,000,000
  std::uint64_t caplen_over_length = 0;
  std::uint64_t caplen_over_snaplen = 0;
  std::uint64_t back_steps = 0;  // packets earlier than the timed packet before them
  std::int64_t largest_back_step_ns = 0;
  // Every packet is in one of these.
  Tally not_ip, undecoded;
  Tally ipv4_tcp, ipv4_udp, ipv4_other, ipv6_tcp, ipv6_udp, ipv6_other;
  std::uint64_t fragments = 0;
  std::uint64_t length_derived = 0;   // IP length 0 (BIG TCP)
  std::uint64_t length_mismatch = 0;  // IP length beyond the frame
  SuperPackets super;
  struct PerInterface {
    std::uint64_t packets = 0, frame_bytes = 0;
  };
  std::vector<PerInterface> interfaces;  // as CaptureReader::interfaces()

  SummaryTotals& operator+=(const SummaryTotals& other);
};

// A number, or why there is none.
using Rate = std::variant<double, std::string>;

class CaptureSummary : public Observer {
 public:
  static constexpr std::uint32_t kDefaultMtu = 1500;
  // `flows` gives the MSS of connections; without it segments are derived from the MTU.
  explicit CaptureSummary(std::uint32_t mtu = kDefaultMtu, const FlowTable* flows = nullptr)
      : mtu_{mtu}, flows_{flows} {}

  [[nodiscard]] Depth depth() const override { return Depth::headers; }
  void on_batch(const Batch& batch) override;
  [[nodiscard]] std::unique_ptr<Observer> part(const FlowTable& flows) const override;
  [[nodiscard]] bool is_whole() const override;
  void join(const Observer& part) override;

  [[nodiscard]] const SummaryTotals& totals() const { return totals_; }
  [[nodiscard]] std::uint32_t mtu() const { return mtu_; }
  // Over last - first time.
  [[nodiscard]] Rate packets_per_second() const;
  [[nodiscard]] Rate bits_per_second() const;
  // frame_bytes / packets.
  [[nodiscard]] Rate mean_frame_bytes() const;

 private:
  void add_odd(const Packet& packet);
  void add_order(const Batch& batch);
  void add_back_step(std::int64_t time_ns);
  void add_interfaces(const Batch& batch);
  void add_infos(const Batch& batch);
  void add_odd_info(const Batch& batch, std::size_t i);
  Tally& tally_of(const PacketInfo& info);
  void add_super(const Packet& packet, const PacketInfo& info, const FlowRef* ref);
  [[nodiscard]] Rate per_second(double amount) const;

  std::uint32_t mtu_;
  const FlowTable* flows_;
  SummaryTotals totals_;
  // Of the packets with a time: the first in the file, and the last one so far.
  std::int64_t first_ns_ = INT64_MIN, previous_ns_ = INT64_MIN;
};

}  // namespace tl
