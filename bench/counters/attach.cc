#include "attach.hh"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <optional>

#include "base/errors.hh"
#include "probe/tcx.hh"
#include "support/processes.hh"
#include "support/temporary.hh"

namespace tl::bench {
using namespace std::chrono_literals;

namespace {

bool is_tracepoint(const bpf_prog_info& info) { return info.type == BPF_PROG_TYPE_TRACEPOINT; }

Child start_bpftrace(const std::string& script, const std::filesystem::path& output) {
  const UniqueFd out = open_fd(output, O_WRONLY | O_CREAT | O_TRUNC);
  ChildOptions options;
  options.stdout_fd = out.get();
  return Child{{"bpftrace", "-e", script}, options};
}

std::string path_of(const NetNs& netns) { return fmt::format("/proc/self/fd/{}", netns.fd()); }

std::uint32_t measured_device(const Fan& fan) {
  return ::if_nametoindex(fmt::format("tlb{}", fan.pairs - 1).c_str());
}

// A packet socket on the device, as a tap has.
UniqueFd open_tap(const Fan& fan, const NetNs& netns, int program) {
  return netns.run([&] {
    UniqueFd socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program) != 0)
      throw_errno("attach to", "a packet socket");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(measured_device(fan));
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw_errno("bind", "a packet socket");
    return socket;
  });
}

// Programs of the counters that count a device by itself, and what the tables call their places.
const std::map<std::string, std::string> kOwnHooks{
    {"tl_tap", "tap"}, {"tl_tcx_rx", "tcx rx"}, {"tl_tcx_tx", "tcx tx"}};
bool is_own(const bpf_prog_info& info) { return kOwnHooks.contains(info.name); }

}  // namespace

void wait_seconds(double seconds) { ::poll(nullptr, 0, static_cast<int>(seconds * 1000)); }

Bpftrace::Bpftrace(const std::string& script, const std::filesystem::path& output)
    : before_{programs(is_tracepoint)}, child_{start_bpftrace(script, output)} {
  if (!test::eventually([&] { return !program_ids().empty(); }, 20s))
    throw MachineError{"bpftrace: did not attach"};
  wait_seconds(0.3);
}

Bpftrace::~Bpftrace() {
  child_.signal(SIGINT);
  child_.wait(10s);
}

std::vector<std::uint32_t> Bpftrace::program_ids() const {
  std::vector<std::uint32_t> fresh = programs(is_tracepoint);
  std::erase_if(fresh, [&](std::uint32_t id) {
    return std::find(before_.begin(), before_.end(), id) != before_.end();
  });
  return fresh;
}

Ours::Ours(const Fan& fan, const CounterLayout& layout) : session{layout} {
  points.push_back(open_point("left", NetNs::open(path_of(fan.left))));
  points.push_back(open_point("right", NetNs::open(path_of(fan.right))));
  for (CounterPoint& point : points) name_devices(point, session.kernel(), LoopbackPorts::ignored);
  session.start();
}

CounterLayout layout_of(const Fan& fan, CountedAt place, bool ports, bool count_unknown) {
  CounterLayout layout;
  layout.taps = place != CountedAt::trace_events;
  layout.tcx = place == CountedAt::tcx;
  layout.count_unknown = count_unknown;
  layout.device_series = static_cast<std::uint32_t>(2 * fan.pairs) + 64;
  if (ports) layout.ports = {9000, 9001};
  return layout;
}

std::shared_ptr<void> attach_at_events(const std::string& name, const peers& peer, Meter& meter) {
  auto links = std::make_shared<Attached>();
  for (const std::string hook : {"rx", "tx"}) {
    const bpf_program* program =
        bpf_object__find_program_by_name(peer.obj, (name + "_" + hook).c_str());
    bpf_link* link = bpf_program__attach(program);
    if (link == nullptr) throw_errno("attach", name);
    links->emplace_back(link, [](void* l) { bpf_link__destroy(static_cast<bpf_link*>(l)); });
    meter.add(name, hook, bpf_program__fd(program));
  }
  return links;
}

std::shared_ptr<void> attach_taps(const Fan& fan, int program) {
  auto sockets = std::make_shared<std::vector<UniqueFd>>();
  for (const NetNs* netns : {&fan.left, &fan.right})
    sockets->push_back(open_tap(fan, *netns, program));
  return sockets;
}

std::shared_ptr<void> attach_tcx(const Fan& fan, int rx_program, int tx_program) {
  auto links = std::make_shared<std::vector<TcxLinks>>();
  for (const NetNs* netns : {&fan.left, &fan.right}) {
    auto both =
        netns->run([&] { return TcxLinks::attach(rx_program, tx_program, measured_device(fan)); });
    if (!both) throw_errno("attach to", "the traffic-control hooks");
    links->push_back(std::move(*both));
  }
  return links;
}

std::shared_ptr<void> attach_at_devices(const std::string& name, const peers& peer, const Fan& fan,
                                        CountedAt place, Meter& meter) {
  const auto program = [&](const char* hook) {
    return bpf_program__fd(bpf_object__find_program_by_name(peer.obj, (name + hook).c_str()));
  };
  if (place == CountedAt::tap) {
    meter.add(name, "tap", program("_tap"));
    return attach_taps(fan, program("_tap"));
  }
  meter.add(name, "tcx rx", program("_tcx_rx"));
  meter.add(name, "tcx tx", program("_tcx_tx"));
  return attach_tcx(fan, program("_tcx_rx"), program("_tcx_tx"));
}

std::shared_ptr<Ours> attach_our_events(const std::shared_ptr<Ours>& ours, const std::string& name,
                                        Meter& meter) {
  CounterKernel& kernel = ours->session.kernel();
  kernel.attach(true);
  meter.add(name, "rx", kernel.program_fd(Hook::rx));
  meter.add(name, "tx", kernel.program_fd(Hook::tx));
  return {ours.get(), [](Ours* o) { o->session.kernel().attach(false); }};
}

std::map<std::string, UniqueFd> loaded_by(const std::function<void()>& load) {
  const std::vector<std::uint32_t> others = programs(is_own);  // of other counters on this machine
  load();
  std::map<std::string, UniqueFd> fresh;
  for (const std::uint32_t id : programs(is_own)) {
    if (std::find(others.begin(), others.end(), id) != others.end()) continue;
    UniqueFd fd{bpf_prog_get_fd_by_id(id)};
    const std::string name = info_of(fd.get()).name;
    fresh.insert_or_assign(name, std::move(fd));
  }
  return fresh;
}

std::shared_ptr<Ours> attach_our_own(const Fan& fan, CountedAt place, bool ports,
                                     const std::string& name, Meter& meter) {
  std::shared_ptr<Ours> ours;
  const auto fresh =
      loaded_by([&] { ours = std::make_shared<Ours>(fan, layout_of(fan, place, ports)); });
  for (const auto& [program, fd] : fresh) meter.add(name, kOwnHooks.at(program), fd.get());
  meter.add("ours, skipping", "rx", ours->session.kernel().program_fd(Hook::rx));
  meter.add("ours, skipping", "tx", ours->session.kernel().program_fd(Hook::tx));
  return ours;
}

std::shared_ptr<void> attach_bpftrace(Meter& meter) {
  auto both = std::make_shared<std::array<std::optional<Bpftrace>, 2>>();
  for (const auto& [hook, script, i] : {std::tuple{"rx", kSumRx, 0U}, {"tx", kSumTx, 1U}}) {
    const Bpftrace& bpftrace = both->at(i).emplace(script);
    for (const std::uint32_t id : bpftrace.program_ids()) meter.add_id("bpftrace", hook, id);
  }
  return both;
}

}  // namespace tl::bench
