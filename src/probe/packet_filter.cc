#include "probe/packet_filter.hh"

#include <fmt/format.h>
#include <pcap/pcap.h>

#include <array>
#include <memory>

#include "base/errors.hh"

namespace tl {
namespace {

using Handle = std::unique_ptr<pcap_t, void (*)(pcap_t*)>;

constexpr int kSmallestBuffer = 1;  // libpcap rounds up: nothing is read through this handle

struct Program {
  bpf_program code{};
  Program() = default;
  Program(const Program&) = delete;
  ~Program() { ::pcap_freecode(&code); }
};

void compile(pcap_t* handle, const std::string& filter, Program& program) {
  constexpr int kOptimised = 1;
  if (::pcap_compile(handle, &program.code, filter.c_str(), kOptimised, PCAP_NETMASK_UNKNOWN) != 0)
    throw UsageError{fmt::format("filter '{}': {}", filter, ::pcap_geterr(handle))};
}

// An activated handle exists only as long as compiling takes: it knows the device's link type and
// generates code for the kernel.
Handle activate(const std::string& device, std::uint32_t snaplen_bytes) {
  std::array<char, PCAP_ERRBUF_SIZE> message{};
  Handle handle{::pcap_create(device.c_str(), message.data()), &::pcap_close};
  if (!handle) throw MachineError{fmt::format("capture on {}: {}", device, message.data())};
  pcap_t* const h = handle.get();
  ::pcap_set_snaplen(h, static_cast<int>(snaplen_bytes));
  ::pcap_set_buffer_size(h, kSmallestBuffer);
  const int status = ::pcap_activate(h);
  if (status >= 0) return handle;
  if (status == PCAP_ERROR_NO_SUCH_DEVICE)
    throw UsageError{fmt::format("device '{}': no such device", device)};
  if (status == PCAP_ERROR_PERM_DENIED)
    throw MachineError{
        fmt::format("capture on {}: permission denied (run as root, or with CAP_NET_RAW)", device)};
  if (status == PCAP_ERROR_IFACE_NOT_UP)
    throw MachineError{
        fmt::format("capture on {0}: the device is down (ip link set {0} up)", device)};
  const std::string detail = ::pcap_geterr(h);
  throw MachineError{fmt::format("capture on {}: {}{}{}", device, ::pcap_statustostr(status),
                                 detail.empty() ? "" : ": ", detail)};
}

// The number that files carry (pcap-linktype(7)). It differs from libpcap's for raw IP alone, among
// the types that a packet socket hands over as they are.
std::uint32_t file_link_type(int type, const std::string& device) {
  constexpr std::uint32_t kRawIp = 101;
  if (type == DLT_RAW) return kRawIp;
  if (type == DLT_LINUX_SLL || type == DLT_LINUX_SLL2)
    throw MachineError{fmt::format(
        "capture on {}: its packets have no link-layer header that a capture could keep", device)};
  return static_cast<std::uint32_t>(type);
}

}  // namespace

void check_filter(const std::string& filter, std::uint32_t snaplen_bytes) {
  const Handle dead{::pcap_open_dead(DLT_EN10MB, static_cast<int>(snaplen_bytes)), &::pcap_close};
  Program program;
  compile(dead.get(), filter, program);
}

DeviceFilter compile_filter(const std::string& device, const std::string& filter,
                            std::uint32_t snaplen_bytes) {
  const Handle handle = activate(device, snaplen_bytes);
  Program program;
  compile(handle.get(), filter, program);
  DeviceFilter compiled;
  compiled.link_type = file_link_type(::pcap_datalink(handle.get()), device);
  for (unsigned i = 0; i < program.code.bf_len; ++i) {
    const bpf_insn& in = program.code.bf_insns[i];
    compiled.program.push_back({in.code, in.jt, in.jf, in.k});
  }
  return compiled;
}

std::string filter_library() { return ::pcap_lib_version(); }

}  // namespace tl
