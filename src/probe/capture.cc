#include "probe/capture.hh"

#include <fmt/format.h>
#include <net/if_arp.h>

#include <algorithm>
#include <optional>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/netlink.hh"
#include "base/version.hh"
#include "probe/capture_account.hh"
#include "probe/capture_sidecar.hh"
#include "probe/packet_ring.hh"

namespace tl {
namespace {

using nlohmann::json;

constexpr int kBlockRetireMs = 20;
constexpr int kSilenceMs = 3 * kBlockRetireMs;  // a ring that is silent for so long, behind a
                                                // closed filter, is empty
constexpr std::chrono::seconds kDrainLimit{1};
constexpr std::int64_t kTickNs = 500'000'000;
constexpr std::uint32_t kEthernetHeaderBytes = 14;
constexpr std::uint32_t kEthernet = 1;             // LINKTYPE_ETHERNET
constexpr std::uint32_t kLargestSnaplen = 262144;  // what readers of pcap files accept

CaptureOptions checked(CaptureOptions options) {
  if (options.device == "any")
    throw UsageError{
        "device 'any': name one device (on 'any' a packet that crosses several is seen several "
        "times)"};
  if (options.snaplen_bytes == 0 || options.snaplen_bytes > kLargestSnaplen)
    throw UsageError{
        fmt::format("snaplen {}: expected 1 to {}", options.snaplen_bytes, kLargestSnaplen)};
  return options;
}

}  // namespace

std::filesystem::path account_path(const std::filesystem::path& capture_file) {
  std::filesystem::path path = capture_file;
  return path.replace_extension(".capture.json");
}

struct Capture::Impl {
  explicit Impl(CaptureOptions o, std::uint64_t inode)
      : options{checked(std::move(o))}, netns_inode{inode} {}

  // In the namespace.
  void open() {
    filter = compile_filter(options.device, options.filter, options.snaplen_bytes);
    rtnetlink = open_rtnetlink();
    for (const Link& l : list_links(rtnetlink))
      if (l.name == options.device) device = l;
    // On lo the tap sees every packet on its way out and again on its way in.
    const bool is_loopback = device.type == ARPHRD_LOOPBACK;
    ring = std::make_unique<PacketRing>(PacketRing::Options{
        device.ifindex, options.ring_bytes, options.snaplen_bytes, kBlockRetireMs, is_loopback});
    const std::uint32_t header = filter.link_type == kEthernet ? kEthernetHeaderBytes : 0;
    tally = CaptureTally{device.mtu + header};
  }

  [[nodiscard]] bool has_enough() const {
    return (options.stop_packets != 0 && file->records() >= options.stop_packets) ||
           (options.stop_bytes != 0 && file->bytes() >= options.stop_bytes);
  }

  // The device as it is now; nullopt when it has left the namespace.
  [[nodiscard]] std::optional<Link> find_device() const {
    for (const Link& l : list_links(rtnetlink))
      if (l.ifindex == device.ifindex) return l;
    return std::nullopt;
  }

  std::uint32_t read_block() {
    return ring->read_block([this](const RingPacket& packet) {
      tally.add(packet);
      if (has_enough())
        ++beyond_stop;
      else
        (void)file->add(packet);
    });
  }

  // A device that goes away is first down: so while it is down, it is looked for.
  void check_device() {
    const int error = ring->take_error();
    if (error != 0 && error != ENETDOWN)
      reason = fmt::format("capture on {}: {}", options.device, errno_text(error));
    if (error == ENETDOWN) {
      is_down = true;
      ++downs;
    }
    if (!is_down) return;
    const auto now = find_device();
    if (!now) reason = fmt::format("capture on {}: the device went away", options.device);
    is_down = now && !now->is_up;
  }

  void tick() {
    ring->read_statistics();
    clock.note(read_clock_pair(8));
    (void)file->flush();
  }

  // Reads until the ring is silent and everything the kernel put into it has been seen.
  void drain() {
    const Deadline limit{kDrainLimit};
    for (;;) {
      while (read_block() > 0) {
      }
      if (ring->wait(kSilenceMs) && !limit.passed()) {
        (void)ring->take_error();  // it would make the next wait return at once
        continue;
      }
      ring->read_statistics();
      if (unexplained() == 0 || limit.passed()) return;
    }
  }

  [[nodiscard]] std::uint64_t received() const {
    return ring->statistics().received - before_arming.received;
  }
  [[nodiscard]] std::uint64_t dropped() const {
    return ring->statistics().dropped - before_arming.dropped;
  }
  [[nodiscard]] std::uint64_t discarded() const { return tally.packets() - file->records(); }
  [[nodiscard]] std::int64_t unexplained() const {
    return static_cast<std::int64_t>(received() - dropped() - tally.packets());
  }
  void judge();
  [[nodiscard]] json account(const std::string& outcome) const;

  CaptureOptions options;
  std::uint64_t netns_inode;
  DeviceFilter filter;
  UniqueFd rtnetlink;
  Link device;
  std::unique_ptr<PacketRing> ring;
  std::optional<CaptureSeries> file;
  std::optional<CaptureSidecar> sidecar;
  CaptureTally tally;
  ClockRecord clock;
  RingStatistics before_arming;
  ClockPair armed, stopped;
  std::optional<LinkStatistics> statistics_before, statistics_after;
  bool statistics_are_exact = true;  // no packet passed the device while it was read
  std::uint64_t drained = 0, downs = 0, beyond_stop = 0;
  bool is_down = false;
  std::string reason;  // why the capture is partial; empty while all is well
};

Capture::Capture(const NetNs& netns, CaptureOptions options)
    : impl_{std::make_unique<Impl>(std::move(options), netns.inode())} {
  check_filter(impl_->options.filter, impl_->options.snaplen_bytes);
  netns.run([this] { impl_->open(); });
}

Capture::~Capture() = default;
Capture::Capture(Capture&&) noexcept = default;

std::int64_t Capture::arm() {
  Impl& m = *impl_;
  m.file.emplace(CaptureFile::Options{m.options.file, m.options.snaplen_bytes, m.filter.link_type,
                                      m.options.min_free_bytes},
                 m.options.rotation);
  m.sidecar.emplace(account_path(m.options.file));
  const auto before = m.find_device();
  m.before_arming = m.ring->read_statistics();
  m.ring->set_filter(m.filter.program);
  m.armed = read_clock_pair();
  const auto after = m.find_device();
  if (before) m.statistics_before = before->statistics;
  m.statistics_are_exact = before && after && before->statistics == after->statistics;
  m.clock.note(m.armed);
  m.sidecar->write(m.account("running").dump(1) + "\n");
  return m.armed.real_ns;
}

void Capture::run(const std::atomic<bool>& stop) {
  Impl& m = *impl_;
  std::int64_t next_tick_ns = monotonic_ns();
  while (!stop && m.reason.empty() && m.file->failure().empty() && !m.has_enough()) {
    if (m.read_block() == 0) {
      (void)m.ring->wait(kBlockRetireMs);
      m.check_device();
    }
    const std::int64_t now_ns = monotonic_ns();
    m.file->tick(now_ns);
    if (now_ns < next_tick_ns) continue;
    next_tick_ns = now_ns + kTickNs;
    m.tick();
  }
}

json Capture::finish() {
  Impl& m = *impl_;
  const std::uint64_t seen = m.tally.packets();
  const auto before = m.find_device();
  m.ring->close_filter();
  m.stopped = read_clock_pair();
  m.drain();
  m.drained = m.tally.packets() - seen;
  m.clock.note(m.stopped);
  const auto after = m.find_device();
  if (after) m.statistics_after = after->statistics;
  m.statistics_are_exact =
      m.statistics_are_exact && before && after && before->statistics == after->statistics;
  if (!after && m.reason.empty())
    m.reason = fmt::format("capture on {}: the device went away", m.options.device);
  m.file->finish(m.reason.empty());
  m.judge();
  const json account = m.account(m.reason.empty() ? "ok" : "partial");
  m.sidecar->finish(account.dump(1) + "\n");
  return account;
}

// Finds the reason for a partial outcome that nothing else has named.
void Capture::Impl::judge() {
  if (reason.empty()) reason = file->failure();
  if (reason.empty() && unexplained() != 0)
    reason = fmt::format("capture on {}: {} packets unexplained", options.device, unexplained());
  if (reason.empty() && discarded() != beyond_stop)
    reason = fmt::format("capture on {}: {} packets not written", options.device,
                         discarded() - beyond_stop);
}

json Capture::Impl::account(const std::string& outcome) const {
  const auto statistics = [](const std::optional<LinkStatistics>& s) {
    return s ? to_json(*s) : json();
  };
  json j{{"schema", "trafficlab.capture/1"},
         {"outcome", outcome},
         {"reason", reason.empty() ? json() : json(reason)},
         {"file", file->place().filename().native()},
         {"device", options.device},
         {"ifindex", device.ifindex},
         {"netns_inode", netns_inode},
         {"mtu", device.mtu},
         {"mac", device.address},
         {"filter", options.filter},
         {"snaplen", options.snaplen_bytes},
         {"link_type", filter.link_type},
         {"ring_bytes", ring->ring_bytes()},
         {"ring_bytes_asked", options.ring_bytes},
         {"block_bytes", ring->block_bytes()},
         {"armed_ns", armed.real_ns},
         {"armed_monotonic_ns", armed.mono_ns},
         {"stopped_ns", stopped.real_ns},
         {"stopped_monotonic_ns", stopped.mono_ns},
         {"received", received()},
         {"written", file->records()},
         {"kernel_dropped", dropped()},
         {"discarded", discarded()},
         {"beyond_stop", beyond_stop},
         {"files", file->files()},
         {"unexplained", unexplained()},
         {"prefilter_discarded", before_arming.received},
         {"drained_at_stop", drained},
         {"ring_full_times", ring->statistics().freezes},
         {"device_downs", downs},
         {"clock", clock.to_json()},
         {"statistics_before", statistics(statistics_before)},
         {"statistics_after", statistics(statistics_after)},
         {"statistics_are_exact", statistics_are_exact},
         {"program", fmt::format("trafficlab {}", kVersion)},
         {"library", filter_library()}};
  j.update(tally.to_json());
  return j;
}

}  // namespace tl
