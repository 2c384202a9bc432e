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

// Whole batches where nothing is odd, packet by packet elsewhere.
void CaptureSummary::on_batch(const Batch& batch) {
  const Digest& sum = batch.digest;
  totals_.smallest = std::min(totals_.packets == 0 ? UINT32_MAX : totals_.smallest, sum.smallest);
  totals_.largest = std::max(totals_.largest, sum.largest);
  totals_.packets += sum.tally.packets;
  totals_.frame_bytes += sum.tally.frame_bytes;
  totals_.captured_bytes += sum.captured_bytes;
  totals_.truncated += sum.truncated;
  totals_.time.add(sum.time);
  if (sum.packet_flags != 0) [[unlikely]]
    for (const Packet& packet : batch.packets) add_odd(packet);
  add_order(batch);
  add_interfaces(batch);
  add_infos(batch);
}

void CaptureSummary::add_order(const Batch& batch) {
  const bool all_timed = (batch.digest.packet_flags & kNoTime) == 0;
  if (batch.digest.in_order && all_timed && batch.packets.front().time_ns >= previous_ns_) {
    if (previous_ns_ == INT64_MIN) first_ns_ = batch.packets.front().time_ns;
    previous_ns_ = batch.packets.back().time_ns;
    return;
  }
  for (const Packet& packet : batch.packets) {
    if ((packet.flags & kNoTime) != 0) continue;
    if (previous_ns_ == INT64_MIN) first_ns_ = packet.time_ns;
    if (packet.time_ns < previous_ns_) add_back_step(packet.time_ns);
    previous_ns_ = packet.time_ns;
  }
}

void CaptureSummary::add_back_step(std::int64_t time_ns) {
  totals_.back_steps += 1;
  totals_.largest_back_step_ns =
      std::max(totals_.largest_back_step_ns, saturated_difference(previous_ns_, time_ns));
}

std::unique_ptr<Observer> CaptureSummary::part(const FlowTable& flows) const {
  return std::make_unique<CaptureSummary>(mtu_, flows_ == nullptr ? nullptr : &flows);
}

// A super-packet's segments depend on its connection's SYN, which may be in a part before.
bool CaptureSummary::is_whole() const { return flows_ == nullptr || totals_.super.packets == 0; }

void CaptureSummary::join(const Observer& part) {
  const auto& next = static_cast<const CaptureSummary&>(part);
  totals_ += next.totals_;
  if (next.previous_ns_ == INT64_MIN) return;  // nothing in it had a time
  if (previous_ns_ == INT64_MIN) first_ns_ = next.first_ns_;
  if (next.first_ns_ < previous_ns_) add_back_step(next.first_ns_);
  previous_ns_ = next.previous_ns_;
}

SuperPackets& SuperPackets::operator+=(const SuperPackets& other) {
  packets += other.packets;
  frame_bytes += other.frame_bytes;
  segments += other.segments;
  wire_bytes += other.wire_bytes;
  by_mss += other.by_mss;
  by_mtu += other.by_mtu;
  return *this;
}

SummaryTotals& SummaryTotals::operator+=(const SummaryTotals& other) {
  if (other.packets == 0) return *this;
  smallest = packets == 0 ? other.smallest : std::min(smallest, other.smallest);
  largest = std::max(largest, other.largest);
  largest_back_step_ns = std::max(largest_back_step_ns, other.largest_back_step_ns);
  time.add(other.time);
  super += other.super;
  for (const auto count :
       {&SummaryTotals::packets, &SummaryTotals::frame_bytes, &SummaryTotals::captured_bytes,
        &SummaryTotals::truncated, &SummaryTotals::untimed, &SummaryTotals::time_normalised,
        &SummaryTotals::caplen_over_length, &SummaryTotals::caplen_over_snaplen,
        &SummaryTotals::back_steps, &SummaryTotals::fragments, &SummaryTotals::length_derived,
        &SummaryTotals::length_mismatch})
    this->*count += other.*count;
  for (const auto tally :
       {&SummaryTotals::not_ip, &SummaryTotals::undecoded, &SummaryTotals::ipv4_tcp,
        &SummaryTotals::ipv4_udp, &SummaryTotals::ipv4_other, &SummaryTotals::ipv6_tcp,
        &SummaryTotals::ipv6_udp, &SummaryTotals::ipv6_other})
    this->*tally += other.*tally;
  interfaces.resize(std::max(interfaces.size(), other.interfaces.size()));
  for (std::size_t i = 0; i < other.interfaces.size(); ++i) {
    interfaces[i].packets += other.interfaces[i].packets;
    interfaces[i].frame_bytes += other.interfaces[i].frame_bytes;
  }
  return *this;
}

void CaptureSummary::add_interfaces(const Batch& batch) {
  const auto add = [&](std::uint32_t interface, std::uint64_t packets, std::uint64_t frame_bytes) {
    if (interface >= totals_.interfaces.size()) totals_.interfaces.resize(interface + 1);
    totals_.interfaces[interface].packets += packets;
    totals_.interfaces[interface].frame_bytes += frame_bytes;
  };
  if (batch.digest.one_interface) [[likely]]
    return add(batch.packets.front().interface, batch.packets.size(),
               batch.digest.tally.frame_bytes);
  for (const Packet& packet : batch.packets) add(packet.interface, 1, packet.length_bytes);
}

void CaptureSummary::add_infos(const Batch& batch) {
  const Digest& sum = batch.digest;
  if (sum.one_kind) [[likely]]
    tally_of(batch.infos.front()) += sum.tally;
  else
    for (std::size_t i = 0; i < batch.infos.size(); ++i)
      tally_of(batch.infos[i]).add(batch.packets[i], batch.infos[i]);
  if (sum.largest_ip_bytes <= mtu_ && sum.info_flags == 0) [[likely]]
    return;
  for (std::size_t i = 0; i < batch.infos.size(); ++i) add_odd_info(batch, i);
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
  if (ref != nullptr && flows_ != nullptr && info.is_tcp() && ref->is_known()) {
    const auto& announced = flows_->flow(ref->flow()).maximum_segment_bytes;
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
