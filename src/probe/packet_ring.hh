// One AF_PACKET socket with a TPACKET_V3 ring (packet(7),
// Documentation/networking/packet_mmap.rst): packets of one device as the kernel stamped them,
// without a copy.
//
// The ring is read here and not through libpcap because three things of its account are needed
// exactly: no packet may reach the socket before the filter does, none may be discarded silently
// after the kernel has counted it (libpcap drops outgoing copies on lo), and the direction of every
// packet must be known.
#pragma once

#include <linux/if_packet.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <utility>

#include "base/fd.hh"
#include "probe/packet_filter.hh"

namespace tl {

// A packet in the ring; valid only during the call that hands it over.
struct RingPacket {
  std::int64_t time_ns = 0;  // CLOCK_REALTIME, at the kernel's tap
  const unsigned char* bytes = nullptr;
  std::uint32_t kept = 0;    // bytes in the ring, at most the snaplen
  std::uint32_t length = 0;  // bytes of the packet (skb->len: a GSO super-packet is one)
  bool is_outgoing = false;
  // The tag that the kernel took out of the frame; `bytes` and `length` are without it.
  bool has_vlan = false;
  std::uint16_t vlan_tci = 0, vlan_tpid = 0;

  static constexpr std::uint32_t kTagBytes = 4;
  // Of the frame, with that tag.
  [[nodiscard]] std::uint32_t frame_length() const { return length + (has_vlan ? kTagBytes : 0); }
};

// What the kernel counted, summed in 64 bits.
struct RingStatistics {
  std::uint64_t received = 0;  // passed the filter, dropped ones included
  std::uint64_t dropped = 0;   // passed the filter while the ring was full
  std::uint64_t freezes = 0;   // times the ring became full
};

class PacketRing {
 public:
  struct Options {
    int ifindex = 0;
    std::uint64_t ring_bytes = 0;  // made smaller when memory is short: see ring_bytes()
    std::uint32_t snaplen_bytes = 0;
    std::uint32_t block_retire_ms = 0;  // a block that is not full is handed over after this time
    bool ignores_outgoing = false;      // for lo, where every packet would be seen twice
  };
  // Bound to the device in the namespace of the calling thread, with a filter that nothing passes.
  // Throws MachineError.
  explicit PacketRing(const Options& options);
  // Replaces the filter in one step. Throws MachineError when the kernel does not take it.
  void set_filter(std::span<const FilterInstruction> program);
  // From now on nothing passes; what is in the ring stays.
  void close_filter();

  // Hands over the packets of the next finished block; returns their number, 0 when no block is
  // finished. A block with packets is finished when it is full or block_retire_ms old.
  template <class Take>
  std::uint32_t read_block(Take&& take);

  // Waits until a block is finished or the socket has an error. False after `limit_ms`.
  [[nodiscard]] bool wait(int limit_ms) const;
  // The socket's pending error (ENETDOWN when the device went down or away), or 0.
  [[nodiscard]] int take_error() const;
  // Reads the kernel's 32-bit counters and adds them up: call at least every few minutes.
  const RingStatistics& read_statistics();
  // As they were read last.
  [[nodiscard]] const RingStatistics& statistics() const { return statistics_; }

  [[nodiscard]] std::uint64_t ring_bytes() const { return block_bytes_ * block_count_; }
  [[nodiscard]] std::uint64_t block_bytes() const { return block_bytes_; }

 private:
  // The mapped ring.
  class Mapping {
   public:
    Mapping() = default;
    Mapping(int socket, std::size_t bytes);
    Mapping(Mapping&& other) noexcept
        : at_{std::exchange(other.at_, nullptr)}, bytes_{other.bytes_} {}
    Mapping& operator=(Mapping other) noexcept {
      std::swap(at_, other.at_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Mapping();
    [[nodiscard]] unsigned char* at() const { return at_; }

   private:
    unsigned char* at_ = nullptr;
    std::size_t bytes_ = 0;
  };

  void allocate(const Options& options);
  static RingPacket packet_at(const unsigned char* frame);

  UniqueFd socket_;
  Mapping ring_;
  std::uint64_t block_bytes_ = 0, block_count_ = 0, next_block_ = 0;
  RingStatistics statistics_;
};

inline RingPacket PacketRing::packet_at(const unsigned char* frame) {
  const auto& h = *reinterpret_cast<const tpacket3_hdr*>(frame);
  const auto& link =
      *reinterpret_cast<const sockaddr_ll*>(frame + TPACKET_ALIGN(sizeof(tpacket3_hdr)));
  RingPacket packet;
  packet.time_ns = std::int64_t{h.tp_sec} * 1'000'000'000 + h.tp_nsec;
  packet.bytes = frame + h.tp_mac;
  packet.kept = h.tp_snaplen;
  packet.length = h.tp_len;
  packet.is_outgoing = link.sll_pkttype == PACKET_OUTGOING;
  packet.has_vlan = (h.tp_status & TP_STATUS_VLAN_VALID) != 0;
  if (packet.has_vlan) {
    constexpr std::uint16_t kCustomerTag = 0x8100;  // 802.1Q
    packet.vlan_tci = static_cast<std::uint16_t>(h.hv1.tp_vlan_tci);
    packet.vlan_tpid =
        (h.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? h.hv1.tp_vlan_tpid : kCustomerTag;
  }
  return packet;
}

template <class Take>
std::uint32_t PacketRing::read_block(Take&& take) {
  unsigned char* const block = ring_.at() + next_block_ * block_bytes_;
  auto& header = reinterpret_cast<tpacket_block_desc*>(block)->hdr.bh1;
  // The kernel writes the status last, so what it published is read only after it.
  const std::atomic_ref<std::uint32_t> status{header.block_status};
  if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) return 0;
  const std::uint32_t count = header.num_pkts;
  const unsigned char* frame = block + header.offset_to_first_pkt;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t step = reinterpret_cast<const tpacket3_hdr*>(frame)->tp_next_offset;
    __builtin_prefetch(frame + step);
    take(packet_at(frame));
    frame += step;
  }
  status.store(TP_STATUS_KERNEL, std::memory_order_release);
  next_block_ = next_block_ + 1 == block_count_ ? 0 : next_block_ + 1;
  return count;
}

}  // namespace tl
