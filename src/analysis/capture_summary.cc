#include "analysis/capture_summary.hh"

#include <algorithm>

namespace tl {

void CaptureSummary::on_batch(const Batch& batch) {
  if (totals_.packets == 0 && !batch.packets.empty()) totals_.smallest = UINT32_MAX;
  for (const Packet& packet : batch.packets) add_packet(packet);
  for (std::size_t i = 0; i < batch.infos.size(); ++i) {
    add_info(batch.packets[i], batch.infos[i]);
    if (batch.infos[i].ip_bytes > mtu_) [[unlikely]]
      add_super(batch.packets[i], batch.infos[i], batch.flows.empty() ? nullptr : &batch.flows[i]);
  }
}

inline void CaptureSummary::add_packet(const Packet& packet) {
  totals_.packets += 1;
  totals_.frame_bytes += packet.length_bytes;
  totals_.captured_bytes += packet.captured_bytes;
  totals_.truncated += packet.captured_bytes < packet.length_bytes ? 1 : 0;
  totals_.smallest = std::min(totals_.smallest, packet.length_bytes);
  totals_.largest = std::max(totals_.largest, packet.length_bytes);
  if (packet.interface >= totals_.interfaces.size()) [[unlikely]]
    totals_.interfaces.resize(packet.interface + 1);
  totals_.interfaces[packet.interface].packets += 1;
  totals_.interfaces[packet.interface].frame_bytes += packet.length_bytes;
  if (packet.flags != 0) [[unlikely]]
    add_odd(packet);
  if ((packet.flags & kNoTime) != 0) return;
  totals_.time.add(packet.time_ns);
  if (packet.time_ns < previous_ns_) [[unlikely]] {
    totals_.back_steps += 1;
    totals_.largest_back_step_ns =
        std::max(totals_.largest_back_step_ns, previous_ns_ - packet.time_ns);
  }
  previous_ns_ = packet.time_ns;
}

void CaptureSummary::add_odd(const Packet& packet) {
  totals_.untimed += (packet.flags & kNoTime) != 0 ? 1 : 0;
  totals_.time_normalised += (packet.flags & kTimeNormalised) != 0 ? 1 : 0;
  totals_.caplen_over_length += (packet.flags & kCaplenOverLength) != 0 ? 1 : 0;
  totals_.caplen_over_snaplen += (packet.flags & kCaplenOverSnaplen) != 0 ? 1 : 0;
}

inline void CaptureSummary::add_info(const Packet& packet, const PacketInfo& info) {
  if (info.content != Content::ip) {
    (info.content == Content::not_ip ? totals_.not_ip : totals_.undecoded).add(packet, info);
    return;
  }
  (info.ip_version == 4 ? totals_.ipv4 : totals_.ipv6).add(packet, info);
  Tally& transport = info.protocol == kProtocolTcp   ? totals_.tcp
                     : info.protocol == kProtocolUdp ? totals_.udp
                                                     : totals_.other_transport;
  transport.add(packet, info);
  totals_.fragments += (info.flags & kFragment) != 0 ? 1 : 0;
  totals_.length_derived += (info.flags & kLengthDerived) != 0 ? 1 : 0;
  totals_.length_mismatch += (info.flags & kLengthMismatch) != 0 ? 1 : 0;
}

// How the segmentation of this packet looks on the wire: every segment repeats all headers.
void CaptureSummary::add_super(const Packet& packet, const PacketInfo& info, const FlowRef* ref) {
  constexpr std::uint32_t kTcpFixedBytes = 20;
  SuperPackets& super = totals_.super;
  const std::uint32_t header_bytes = info.ip_bytes - info.payload_bytes;
  std::uint32_t segment_bytes = mtu_ > header_bytes ? mtu_ - header_bytes : 1;
  bool known = false;
  if (ref != nullptr && flows_ != nullptr && info.is_tcp() && ref->flow != kNoFlow) {
    const auto& announced = flows_->flow(ref->flow).maximum_segment_bytes;
    const std::uint32_t smaller = std::min(announced[0], announced[1]);
    // The MSS does not count options, which take their room from the payload (RFC 6691).
    const std::uint32_t options = tcp_header_bytes(packet, info) - kTcpFixedBytes;
    known = smaller > options;
    if (known) segment_bytes = smaller - options;
  }
  const std::uint64_t segments =
      std::max<std::uint64_t>(1, (info.payload_bytes + segment_bytes - 1) / segment_bytes);
  super.packets += 1;
  super.frame_bytes += packet.length_bytes;
  super.segments += segments;
  super.wire_bytes +=
      packet.length_bytes + (segments - 1) * (packet.length_bytes - info.payload_bytes);
  (known ? super.by_mss : super.by_mtu) += 1;
}

Rate CaptureSummary::per_second(double amount) const {
  if (totals_.time.empty()) return "no packet has a time";
  if (totals_.time.duration_ns() == 0) return "the first and the last packet have the same time";
  return amount / (static_cast<double>(totals_.time.duration_ns()) / 1e9);
}

Rate CaptureSummary::packets_per_second() const {
  return per_second(static_cast<double>(totals_.packets));
}

Rate CaptureSummary::bits_per_second() const {
  return per_second(static_cast<double>(totals_.frame_bytes) * 8);
}

Rate CaptureSummary::mean_frame_bytes() const {
  if (totals_.packets == 0) return "there are no packets";
  return static_cast<double>(totals_.frame_bytes) / static_cast<double>(totals_.packets);
}

}  // namespace tl
