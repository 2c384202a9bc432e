#include "analysis/capture_summary.hh"

#include <algorithm>

namespace tl {
namespace {

// later - earlier, where hostile times may lie further apart than 64 bits say.
std::int64_t saturated_difference(std::int64_t later, std::int64_t earlier) {
  std::int64_t difference = 0;
  return __builtin_sub_overflow(later, earlier, &difference) ? INT64_MAX : difference;
}

}  // namespace

// Each loop keeps its sums in registers and stores them once a batch.
void CaptureSummary::on_batch(const Batch& batch) {
  if (totals_.packets == 0 && !batch.packets.empty()) totals_.smallest = UINT32_MAX;
  add_packets(batch.packets);
  add_times(batch.packets);
  add_interfaces(batch.packets);
  add_infos(batch);
}

void CaptureSummary::add_packets(std::span<const Packet> packets) {
  std::uint64_t frame_bytes = 0, captured_bytes = 0;
  std::uint32_t truncated = 0, smallest = totals_.smallest, largest = totals_.largest;
  unsigned flags = 0;
  for (const Packet& packet : packets) {
    frame_bytes += packet.length_bytes;
    captured_bytes += packet.captured_bytes;
    truncated += packet.captured_bytes < packet.length_bytes ? 1 : 0;
    smallest = std::min(smallest, packet.length_bytes);
    largest = std::max(largest, packet.length_bytes);
    flags |= packet.flags;
  }
  totals_.packets += packets.size();
  totals_.frame_bytes += frame_bytes;
  totals_.captured_bytes += captured_bytes;
  totals_.truncated += truncated;
  totals_.smallest = smallest;
  totals_.largest = largest;
  if (flags == 0) [[likely]]
    return;
  for (const Packet& packet : packets) add_odd(packet);
}

void CaptureSummary::add_times(std::span<const Packet> packets) {
  TimeRange range = totals_.time;
  std::int64_t previous = previous_ns_;
  for (const Packet& packet : packets) {
    if ((packet.flags & kNoTime) != 0) [[unlikely]]
      continue;
    range.add(packet.time_ns);
    if (packet.time_ns < previous) [[unlikely]] {
      totals_.back_steps += 1;
      totals_.largest_back_step_ns =
          std::max(totals_.largest_back_step_ns, saturated_difference(previous, packet.time_ns));
    }
    previous = packet.time_ns;
  }
  totals_.time = range;
  previous_ns_ = previous;
}

void CaptureSummary::add_interfaces(std::span<const Packet> packets) {
  for (std::size_t i = 0; i < packets.size();) {
    const std::uint32_t interface = packets[i].interface;
    SummaryTotals::PerInterface sum;
    for (; i < packets.size() && packets[i].interface == interface; ++i) {
      sum.packets += 1;
      sum.frame_bytes += packets[i].length_bytes;
    }
    if (interface >= totals_.interfaces.size()) totals_.interfaces.resize(interface + 1);
    totals_.interfaces[interface].packets += sum.packets;
    totals_.interfaces[interface].frame_bytes += sum.frame_bytes;
  }
}

void CaptureSummary::add_infos(const Batch& batch) {
  Tally* tally = nullptr;
  Tally run;
  for (std::size_t i = 0; i < batch.infos.size(); ++i) {
    const PacketInfo& info = batch.infos[i];
    Tally* const wanted = &tally_of(info);
    if (wanted != tally) {
      if (tally != nullptr) *tally += run;
      run = {};
      tally = wanted;
    }
    run.add(batch.packets[i], info);
    if (info.ip_bytes > mtu_ || info.flags != 0) [[unlikely]]
      add_odd_info(batch, i);
  }
  if (tally != nullptr) *tally += run;
}

inline Tally& CaptureSummary::tally_of(const PacketInfo& info) {
  if (info.content != Content::ip)
    return info.content == Content::not_ip ? totals_.not_ip : totals_.undecoded;
  const bool is_ipv4 = info.ip_version == 4;
  if (info.protocol == kProtocolTcp) return is_ipv4 ? totals_.ipv4_tcp : totals_.ipv6_tcp;
  if (info.protocol == kProtocolUdp) return is_ipv4 ? totals_.ipv4_udp : totals_.ipv6_udp;
  return is_ipv4 ? totals_.ipv4_other : totals_.ipv6_other;
}

void CaptureSummary::add_odd_info(const Batch& batch, std::size_t i) {
  const PacketInfo& info = batch.infos[i];
  totals_.fragments += (info.flags & kFragment) != 0 ? 1 : 0;
  totals_.length_derived += (info.flags & kLengthDerived) != 0 ? 1 : 0;
  totals_.length_mismatch += (info.flags & kLengthMismatch) != 0 ? 1 : 0;
  if (info.ip_bytes > mtu_)
    add_super(batch.packets[i], info, batch.flows.empty() ? nullptr : &batch.flows[i]);
}

void CaptureSummary::add_odd(const Packet& packet) {
  totals_.untimed += (packet.flags & kNoTime) != 0 ? 1 : 0;
  totals_.time_normalised += (packet.flags & kTimeNormalised) != 0 ? 1 : 0;
  totals_.caplen_over_length += (packet.flags & kCaplenOverLength) != 0 ? 1 : 0;
  totals_.caplen_over_snaplen += (packet.flags & kCaplenOverSnaplen) != 0 ? 1 : 0;
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
