#include "probe/packet_ring.hh"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>

#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::uint64_t kLargestBlock = 256 << 10;
constexpr std::uint64_t kSmallestBlock = 64 << 10;
constexpr std::uint64_t kBlocksWanted = 64;    // the finer the blocks, the less a slow reader holds
constexpr std::uint64_t kFewestBlocks = 2;     // one to fill, one to read
constexpr std::uint64_t kFrameOverhead = 512;  // block and frame headers, generously

static_assert(sizeof(FilterInstruction) == sizeof(sock_filter));
static_assert(offsetof(FilterInstruction, if_true) == offsetof(sock_filter, jt));
static_assert(offsetof(FilterInstruction, operand) == offsetof(sock_filter, k));

template <class T>
void set_option(int socket, int name, const T& value, const char* what) {
  if (::setsockopt(socket, SOL_PACKET, name, &value, sizeof value) != 0)
    throw_errno("set on packet socket", what);
}

// A power of two that holds the longest record.
std::uint64_t block_size(const PacketRing::Options& options) {
  const std::uint64_t even = options.ring_bytes / kBlocksWanted;
  const std::uint64_t longest = options.snaplen_bytes + kFrameOverhead;
  return std::bit_ceil(std::max(std::clamp(even, kSmallestBlock, kLargestBlock), longest));
}

}  // namespace

PacketRing::Mapping::Mapping(int socket, std::size_t bytes) : bytes_{bytes} {
  void* const at =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, socket, 0);
  if (at == MAP_FAILED) throw_errno("map", "capture ring");
  at_ = static_cast<unsigned char*>(at);
}

PacketRing::Mapping::~Mapping() {
  if (at_ != nullptr) ::munmap(at_, bytes_);
}

PacketRing::PacketRing(const Options& options)
    // Protocol 0: nothing is received until bind() names one, below, behind a closed filter.
    : socket_{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)} {
  if (!socket_.valid()) throw_errno("open", "packet socket (needs root or CAP_NET_RAW)");
  close_filter();
  set_option(socket_.get(), PACKET_VERSION, int{TPACKET_V3}, "TPACKET_V3");
  if (options.ignores_outgoing)
    set_option(socket_.get(), PACKET_IGNORE_OUTGOING, int{1}, "PACKET_IGNORE_OUTGOING");
  allocate(options);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = __builtin_bswap16(ETH_P_ALL);
  address.sll_ifindex = options.ifindex;
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw_errno("bind", "packet socket");
}

void PacketRing::allocate(const Options& options) {
  block_bytes_ = block_size(options);
  block_count_ = std::max(options.ring_bytes / block_bytes_, kFewestBlocks);
  for (;; block_count_ = std::max(block_count_ / 2, kFewestBlocks)) {
    tpacket_req3 request{};
    request.tp_block_size = static_cast<unsigned>(block_bytes_);
    request.tp_block_nr = static_cast<unsigned>(block_count_);
    request.tp_frame_size = request.tp_block_size;  // V3 packs frames; this is only checked
    request.tp_frame_nr = request.tp_block_nr;
    request.tp_retire_blk_tov = options.block_retire_ms;
    if (::setsockopt(socket_.get(), SOL_PACKET, PACKET_RX_RING, &request, sizeof request) == 0)
      break;
    if (errno != ENOMEM || block_count_ <= kFewestBlocks) throw_errno("allocate", "capture ring");
  }
  ring_ = Mapping{socket_.get(), static_cast<std::size_t>(ring_bytes())};
}

void PacketRing::set_filter(std::span<const FilterInstruction> program) {
  const sock_fprog kernel_program{
      static_cast<unsigned short>(program.size()),
      const_cast<sock_filter*>(reinterpret_cast<const sock_filter*>(program.data()))};
  if (::setsockopt(socket_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &kernel_program,
                   sizeof kernel_program) != 0)
    throw_errno("attach", "packet filter");
}

void PacketRing::close_filter() {
  constexpr std::array<FilterInstruction, 1> kNothing{{{BPF_RET | BPF_K, 0, 0, 0}}};
  set_filter(kNothing);
}

bool PacketRing::wait(int limit_ms) const {
  pollfd wanted{socket_.get(), POLLIN, 0};
  return ::poll(&wanted, 1, limit_ms) > 0;
}

int PacketRing::take_error() const {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

const RingStatistics& PacketRing::read_statistics() {
  tpacket_stats_v3 since_last{};  // reading sets the kernel's to zero
  socklen_t size = sizeof since_last;
  if (::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &since_last, &size) != 0)
    throw_errno("read", "capture statistics");
  statistics_.received += since_last.tp_packets;
  statistics_.dropped += since_last.tp_drops;
  statistics_.freezes += since_last.tp_freeze_q_cnt;
  return statistics_;
}

}  // namespace tl
