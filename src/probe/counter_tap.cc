#include "probe/counter_tap.hh"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

#include "base/errors.hh"
#include "counters.skel.h"
#include "counters_probing.skel.h"
#include "counters_raw.skel.h"
#include "counters_tap.skel.h"
#include "probe/bpf_messages.hh"
#include "probe/counter_constants.hh"

namespace tl {
namespace {

using TapBss = std::remove_pointer_t<decltype(counters_tap::bss)>;
using TraceBss = std::remove_pointer_t<decltype(counters::bss)>;
using RawBss = std::remove_pointer_t<decltype(counters_raw::bss)>;
using ProbingBss = std::remove_pointer_t<decltype(counters_probing::bss)>;
// The tap maps the trace programs' variables as its own.
template <class Bss>
constexpr bool kIsShared = sizeof(TapBss) == sizeof(Bss) &&
                           offsetof(TapBss, tl_control) == offsetof(Bss, tl_control);
static_assert(kIsShared<TraceBss> && kIsShared<RawBss> && kIsShared<ProbingBss>);

void reuse(bpf_map* mine, const bpf_map* theirs) {
  if (theirs == nullptr || bpf_map__reuse_fd(mine, bpf_map__fd(theirs)) != 0)
    throw MachineError{fmt::format("load counter tap: map {} is not shared", bpf_map__name(mine))};
}

// The map of the programs' variables, which libbpf names after the object file.
const bpf_map* variables_of(const bpf_object* object) {
  for (const bpf_map* map = bpf_object__next_map(object, nullptr); map != nullptr;
       map = bpf_object__next_map(object, map))
    if (std::string_view{bpf_map__name(map)}.ends_with(".bss")) return map;
  return nullptr;
}

void share_maps(counters_tap& tap, const bpf_object* counters) {
  for (bpf_map* map :
       std::array{tap.maps.rx_ring, tap.maps.rx_counters, tap.maps.rx_state, tap.maps.tx_ring,
                  tap.maps.tx_counters, tap.maps.tx_state, tap.maps.port_table})
    reuse(map, bpf_object__find_map_by_name(counters, bpf_map__name(map)));
  reuse(tap.maps.bss, variables_of(counters));
}

// Until it is bound the socket sees nothing, so no packet passes unfiltered.
void attach_to(const UniqueFd& socket, int program_fd) {
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_BPF, &program_fd, sizeof program_fd) != 0)
    throw_errno("attach the counter tap program to", "a packet socket");
}

// A program of all devices; below zero where the kernel cannot have it.
int program_of_all(const bpf_object* counters, const char* name) {
  const bpf_program* program = bpf_object__find_program_by_name(counters, name);
  return program == nullptr ? -1 : bpf_program__fd(program);
}

std::optional<TcxLinks> attach_tcx(const bpf_object* counters, std::uint32_t ifindex) {
  const int rx = program_of_all(counters, "tl_tcx_rx"), tx = program_of_all(counters, "tl_tcx_tx");
  if (rx < 0 || tx < 0) return std::nullopt;
  return TcxLinks::attach(rx, tx, ifindex);
}

void attach_own_program(const UniqueFd& socket, const bpf_object* counters,
                        const CounterLayout& layout, std::uint32_t type,
                        const tl_device_series& series) {
  // Gone when this function returns: a skeleton a device is memory and a dozen descriptors.
  const std::unique_ptr<counters_tap, void (*)(counters_tap*)> program{counters_tap__open(),
                                                                       &counters_tap__destroy};
  if (!program) throw_errno("open", "the counter tap program");
  set_counter_constants(*program->rodata, layout);
  program->rodata->tl_tap_offset =
      static_cast<__u32>((TL_DEVICE_SLOTS + series.series) * sizeof(tl_counter));
  program->rodata->tl_tap_link_header =
      type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK ? ETH_HLEN : 0;
  const bool counts_ports = (series.flags & TL_COUNTS_PORTS) != 0;
  bpf_program__set_autoload(program->progs.tl_tap_one, !counts_ports);
  bpf_program__set_autoload(program->progs.tl_tap_one_ports, counts_ports);
  share_maps(*program, counters);
  const int error = counters_tap__load(program.get());
  if (error != 0)
    throw MachineError{fmt::format("load the counter tap program: {}: {}", errno_text(-error),
                                   last_libbpf_message())};
  attach_to(socket, bpf_program__fd(counts_ports ? program->progs.tl_tap_one_ports
                                                 : program->progs.tl_tap_one));
}

// With protocol 0 no packet passes it.
void bind_to(const UniqueFd& socket, std::uint32_t ifindex, std::uint16_t protocol) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = static_cast<int>(ifindex);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw_errno("bind a packet socket to", fmt::format("device {}", ifindex));
}

}  // namespace

std::optional<CounterTap> CounterTap::open(const bpf_object* counters, const CounterLayout& layout,
                                           const ObservedDevice& device,
                                           const tl_device_series& series) {
  UniqueFd socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
  if (socket.get() < 0 && (errno == EPERM || errno == EACCES)) return std::nullopt;
  if (socket.get() < 0) throw_errno("open", "a packet socket");
  const std::uint32_t ifindex = device.key.ifindex;
  std::optional<TcxLinks> tcx;
  if (device.sends_what_tcx_sees) tcx = attach_tcx(counters, ifindex);
  if (!tcx) {
    if (const int program = program_of_all(counters, "tl_tap"); program >= 0)
      attach_to(socket, program);
    else
      attach_own_program(socket, counters, layout, device.type, series);
  }
  bind_to(socket, ifindex, tcx ? 0 : ETH_P_ALL);
  return CounterTap{std::move(socket), std::move(tcx), series.series};
}

bool CounterTap::is_bound() const {
  sockaddr_ll address{};
  socklen_t length = sizeof address;
  // The kernel sets it to -1 (packet_notifier, net/packet/af_packet.c).
  return ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
         address.sll_ifindex > 0;
}

}  // namespace tl
