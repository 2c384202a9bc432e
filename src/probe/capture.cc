#include "probe/capture.hh"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/filter.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <optional>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/netlink.hh"
#include "probe/capture_file.hh"

namespace tl {
namespace {

using nlohmann::json;
using Handle = std::unique_ptr<pcap_t, void (*)(pcap_t*)>;

constexpr int kBlockRetireMs = 20;  // a block that is not full is handed over after this time
constexpr int kSilenceMs =
    3 * kBlockRetireMs;  // with the filter closed, a ring silent for so long is empty
constexpr int kStatisticsStepMs = 500;  // the kernel's counters are 32 bit: read often, added in 64

struct Program {
  bpf_program code{};
  ~Program() { ::pcap_freecode(&code); }
};

void compile(pcap_t* handle, const std::string& filter, Program& program) {
  if (::pcap_compile(handle, &program.code, filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0)
    throw UsageError{fmt::format("filter '{}': {}", filter, ::pcap_geterr(handle))};
}

std::array<unsigned char, 6> mac_of(const std::string& device) {
  const UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ifreq request{};
  std::strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
  std::array<unsigned char, 6> mac{};
  if (::ioctl(socket.get(), SIOCGIFHWADDR, &request) == 0)
    std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
  return mac;
}

json device_json(const Link& link) {
  const LinkStatistics& s = link.statistics;
  return {{"rx_bytes", s.rx_bytes},        {"rx_packets", s.rx_packets},
          {"tx_bytes", s.tx_bytes},        {"tx_packets", s.tx_packets},
          {"rx_dropped", s.rx_dropped},    {"rx_missed_errors", s.rx_missed_errors},
          {"rx_nohandler", s.rx_nohandler}};
}

// Counts of one direction, told apart by the frame's source address.
struct Direction {
  std::uint64_t packets = 0, bytes = 0;
};

}  // namespace

void check_filter(const std::string& filter, std::uint32_t snaplen_bytes) {
  const Handle dead{::pcap_open_dead(DLT_EN10MB, static_cast<int>(snaplen_bytes)), &::pcap_close};
  Program program;
  compile(dead.get(), filter, program);
}

struct Capture::Impl {
  CaptureOptions options;
  Handle handle{nullptr, &::pcap_close};
  int socket = -1;
  UniqueFd rtnetlink;
  std::uint64_t netns_inode = 0;
  std::array<unsigned char, 6> mac{};
  std::uint32_t mtu = 0;
  std::optional<CaptureFile> file;

  std::uint64_t received = 0, dropped = 0;  // by the kernel, since arm()
  std::uint64_t prefilter = 0, seen = 0, discarded = 0, drained = 0;
  std::uint64_t bytes = 0, kept_bytes = 0, truncated = 0, backsteps = 0, over_mtu = 0,
                over_mtu_bytes = 0;
  pcap_stat last{};
  Direction tx, rx;
  std::int64_t armed_ns = 0, stopped_ns = 0, first_ns = 0, last_ns = 0;
  json before, after, clocks = json::array();
  std::string reason;  // why the capture is partial

  Link link() const {
    for (Link& l : list_links(rtnetlink))
      if (l.name == options.device) return l;
    return {};
  }

  void open() {
    std::array<char, PCAP_ERRBUF_SIZE> message{};
    handle.reset(::pcap_create(options.device.c_str(), message.data()));
    if (!handle)
      throw MachineError{fmt::format("open device {}: {}", options.device, message.data())};
    pcap_t* h = handle.get();
    ::pcap_set_snaplen(h, static_cast<int>(options.snaplen_bytes));
    ::pcap_set_promisc(h, 0);  // a capture must not change what it observes
    ::pcap_set_timeout(h, kBlockRetireMs);
    ::pcap_set_immediate_mode(
        h, 0);  // immediate mode would mean TPACKET_V2 with one fixed frame a packet
    ::pcap_set_buffer_size(h, static_cast<int>(options.ring_bytes));
    ::pcap_set_tstamp_precision(h, PCAP_TSTAMP_PRECISION_NANO);
    const int status = ::pcap_activate(h);
    if (status == PCAP_ERROR_NO_SUCH_DEVICE)
      throw UsageError{fmt::format("device '{}': no such device", options.device)};
    if (status == PCAP_ERROR_PERM_DENIED)
      throw MachineError{fmt::format(
          "capture on {}: permission denied (run as root, or with CAP_NET_RAW)", options.device)};
    if (status < 0)
      throw MachineError{fmt::format("capture on {}: {}: {}", options.device,
                                     ::pcap_statustostr(status), ::pcap_geterr(h))};
    ::pcap_setnonblock(h, 1, message.data());
    socket = ::pcap_get_selectable_fd(h);
    rtnetlink = open_rtnetlink();
    mac = mac_of(options.device);
    mtu = link().mtu;
  }

  // No packet passes this filter; what is in the ring stays.
  void close_filter() const {
    sock_filter nothing{BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog program{1, &nothing};
    if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
      throw_errno("close filter of", options.device);
  }

  static void on_packet(unsigned char* self, const pcap_pkthdr* header, const unsigned char* data) {
    reinterpret_cast<Impl*>(self)->take(*header, data);
  }

  void take(const pcap_pkthdr& h, const unsigned char* data) {
    ++seen;
    // With nanosecond precision libpcap keeps nanoseconds in tv_usec.
    const std::int64_t time_ns = std::int64_t{h.ts.tv_sec} * 1'000'000'000 + h.ts.tv_usec;
    if (!file->add(time_ns, data, h.caplen, h.len)) return;
    if (first_ns == 0) first_ns = time_ns;
    backsteps += time_ns < last_ns ? 1 : 0;
    last_ns = time_ns;
    bytes += h.len;
    kept_bytes += h.caplen;
    truncated += h.caplen < h.len ? 1 : 0;
    if (h.len > mtu + 14) {
      ++over_mtu;
      over_mtu_bytes += h.len;
    }
    Direction& d = h.caplen >= 12 && std::memcmp(data + 6, mac.data(), mac.size()) == 0 ? tx : rx;
    ++d.packets;
    d.bytes += h.len;
  }

  // Hands over what is in the ring. False once the device has gone.
  bool dispatch() {
    const int count =
        ::pcap_dispatch(handle.get(), -1, &Impl::on_packet, reinterpret_cast<unsigned char*>(this));
    if (count >= 0) return true;
    if (reason.empty())
      reason = fmt::format("capture on {}: {}", options.device, ::pcap_geterr(handle.get()));
    return false;
  }

  void drain() {
    pollfd wanted{socket, POLLIN, 0};
    while (::poll(&wanted, 1, kSilenceMs) > 0)
      if (!dispatch()) return;
  }

  void add_statistics() {
    pcap_stat now{};
    if (::pcap_stats(handle.get(), &now) != 0) return;
    received += now.ps_recv - last.ps_recv;  // unsigned difference: right across a wrap
    dropped += now.ps_drop - last.ps_drop;
    last = now;
  }

  void note_clock() {
    const ClockPair now = read_clock_pair(8);
    clocks.push_back({{"monotonic_ns", now.mono_ns}, {"offset_ns", now.offset_ns()}});
  }

  json account() const;
};

Capture::Capture(const NetNs& netns, CaptureOptions options) : impl_{std::make_unique<Impl>()} {
  check_filter(options.filter, options.snaplen_bytes);
  impl_->options = std::move(options);
  impl_->netns_inode = netns.inode();
  netns.run([this] { impl_->open(); });
  const int link_type = ::pcap_datalink(impl_->handle.get());
  impl_->file.emplace(impl_->options.file, impl_->options.snaplen_bytes,
                      static_cast<std::uint32_t>(link_type));
}

Capture::~Capture() = default;
Capture::Capture(Capture&&) noexcept = default;

std::int64_t Capture::arm() {
  Impl& impl = *impl_;
  impl.close_filter();
  // Packets that came between activation and now are nobody's: taken out of the ring and out of the
  // account.
  pollfd wanted{impl.socket, POLLIN, 0};
  while (::poll(&wanted, 1, kSilenceMs) > 0)
    ::pcap_dispatch(
        impl.handle.get(), -1, [](unsigned char*, const pcap_pkthdr*, const unsigned char*) {},
        nullptr);
  impl.add_statistics();
  impl.prefilter = impl.received;
  impl.received = impl.dropped = 0;
  impl.before = device_json(impl.link());
  Program program;
  compile(impl.handle.get(), impl.options.filter, program);
  if (::pcap_setfilter(impl.handle.get(), &program.code) != 0)
    throw MachineError{
        fmt::format("set filter on {}: {}", impl.options.device, ::pcap_geterr(impl.handle.get()))};
  impl.note_clock();
  return impl.armed_ns = realtime_ns();
}

void Capture::run(const std::atomic<bool>& stop) {
  Impl& impl = *impl_;
  std::int64_t next_ns = monotonic_ns();
  while (!stop && impl.file->failure().empty()) {
    pollfd wanted{impl.socket, POLLIN, 0};
    ::poll(&wanted, 1, kBlockRetireMs);
    if (!impl.dispatch()) return;
    if (monotonic_ns() < next_ns) continue;
    next_ns = monotonic_ns() + kStatisticsStepMs * 1'000'000LL;
    impl.add_statistics();
    impl.note_clock();
  }
}

json Capture::Impl::account() const {
  const std::uint64_t written = file->records();
  const auto explained = static_cast<std::int64_t>(written + dropped + discarded);
  json steps = json::array();
  for (std::size_t i = 1; i < clocks.size(); ++i) {
    const std::int64_t change = clocks[i].at("offset_ns").get<std::int64_t>() -
                                clocks[i - 1].at("offset_ns").get<std::int64_t>();
    if (change > 1'000'000 || change < -1'000'000)
      steps.push_back({{"monotonic_ns", clocks[i].at("monotonic_ns")}, {"change_ns", change}});
  }
  const auto time_or_null = [](std::int64_t ns) { return ns == 0 ? json() : json(ns); };
  return {{"schema", "trafficlab.capture/1"},
          {"outcome", reason.empty() ? "ok" : "partial"},
          {"reason", reason.empty() ? json() : json(reason)},
          {"device", options.device},
          {"netns_inode", netns_inode},
          {"filter", options.filter},
          {"snaplen", options.snaplen_bytes},
          {"ring_bytes", options.ring_bytes},
          {"link_type", ::pcap_datalink(handle.get())},
          {"mtu", mtu},
          {"mac", fmt::format("{:02x}", fmt::join(mac, ":"))},
          {"armed_ns", armed_ns},
          {"stopped_ns", stopped_ns},
          {"received", received},
          {"written", written},
          {"kernel_dropped", dropped},
          {"discarded", discarded},
          {"unexplained", static_cast<std::int64_t>(received) - explained},
          {"prefilter_discarded", prefilter},
          {"drained_at_stop", drained},
          {"bytes", bytes},
          {"kept_bytes", kept_bytes},
          {"truncated_packets", truncated},
          {"over_mtu_packets", over_mtu},
          {"over_mtu_bytes", over_mtu_bytes},
          {"tx", {{"packets", tx.packets}, {"bytes", tx.bytes}}},
          {"rx", {{"packets", rx.packets}, {"bytes", rx.bytes}}},
          {"first_ns", time_or_null(first_ns)},
          {"last_ns", time_or_null(last_ns)},
          {"time_backsteps", backsteps},
          {"clock", {{"offsets", clocks}, {"steps", steps}}},
          {"statistics_before", before},
          {"statistics_after", after},
          {"library", ::pcap_lib_version()}};
}

json Capture::finish() {
  Impl& impl = *impl_;
  const std::uint64_t before_drain = impl.seen;
  impl.close_filter();
  impl.drain();
  impl.drained = impl.seen - before_drain;
  impl.add_statistics();
  impl.note_clock();
  impl.stopped_ns = realtime_ns();
  impl.after = device_json(impl.link());
  impl.file->finish();
  if (impl.reason.empty()) impl.reason = impl.file->failure();
  impl.discarded = impl.seen - impl.file->records();  // seen, but the disk did not take them
  json account = impl.account();
  std::filesystem::path sidecar = impl.options.file;
  sidecar.replace_extension(".capture.json");
  write_file_atomic(sidecar, account.dump(1) + "\n");
  return account;
}

}  // namespace tl
