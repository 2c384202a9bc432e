#include "live/packet_tap.hh"

#include <fmt/format.h>
#include <linux/if_arp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/netlink.hh"
#include "probe/packet_filter.hh"

namespace tl::live {
namespace {

constexpr std::uint32_t kBlockRetireMs = 20;

Link link_of(const std::string& device) {
  for (const Link& link : list_links(open_rtnetlink()))
    if (link.name == device) return link;
  throw UsageError{fmt::format("device '{}': no such device in this namespace", device)};
}

}  // namespace

PacketTap::PacketTap(const NetNs& netns, PacketTapOptions options) : options_{std::move(options)} {
  bytes_.resize(CaptureReader::kBatchPackets * options_.snaplen_bytes);
  packets_.reserve(CaptureReader::kBatchPackets);
  netns.run([&] {
    const DeviceFilter filter =
        compile_filter(options_.device, options_.filter, options_.snaplen_bytes);
    const Link link = link_of(options_.device);
    // On lo the tap sees every packet on its way out and again on its way in.
    ring_ = std::make_unique<PacketRing>(PacketRing::Options{link.ifindex, options_.ring_bytes,
                                                             options_.snaplen_bytes, kBlockRetireMs,
                                                             link.type == ARPHRD_LOOPBACK});
    link_type_ = filter.link_type;
    ring_->set_filter(filter.program);
  });
}

void PacketTap::keep(const RingPacket& from) {
  std::uint8_t* const at = bytes_.data() + packets_.size() * options_.snaplen_bytes;
  Packet packet;
  packet.data = at;
  packet.time_ns = from.time_ns;
  packet.captured_bytes = std::min(from.kept, options_.snaplen_bytes);
  packet.length_bytes = from.length;
  packet.link_type = static_cast<std::uint16_t>(link_type_);
  packet.flags = from.is_outgoing ? kOutbound : kInbound;
  std::memcpy(at, from.bytes, packet.captured_bytes);
  packets_.push_back(packet);
}

void PacketTap::flush(Walk& walk) {
  if (packets_.empty()) return;
  walk.take(packets_, handed_);
  handed_ += packets_.size();
  packets_.clear();
}

void PacketTap::read(Walk& walk, std::chrono::milliseconds limit) {
  (void)ring_->wait(static_cast<int>(limit.count()));
  const Deadline deadline{limit};  // under a flood blocks never end
  while (ring_->read_block([&](const RingPacket& packet) {
    keep(packet);
    if (packets_.size() == CaptureReader::kBatchPackets) flush(walk);
  }) > 0 &&
         !deadline.passed()) {
  }
  flush(walk);
  if (const int error = ring_->take_error(); error != 0)
    throw MeasurementError{fmt::format("tap on {}: {}", options_.device, errno_text(error))};
}

}  // namespace tl::live
