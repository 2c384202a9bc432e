// What the counters cost, beside programs that do nothing, the least counter, and bpftrace.
// bench/counters/run.py runs this and makes the table; every line printed is one JSON object.
//
//   bench_counters cost udp|tcp (events|tcx|taps)[+ports] PAIRS BUSY SECONDS
//                                                   run times of programs that take turns on one
//                                                   stream, of UDP over BUSY of the pairs
//   bench_counters throughput udp|tcp|tcp-by-turns ROUNDS SECONDS
//                                                   with and without each, taking turns
//   bench_counters ticks SECONDS FOLDER             all CPUs oversubscribed twofold
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
#include <csignal>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/process.hh"
#include "meter.hh"
#include "peers.skel.h"
#include "probe/counter_points.hh"
#include "probe/counter_session.hh"
#include "probe/tcx.hh"
#include "support/processes.hh"
#include "support/temporary.hh"
#include "traffic.hh"

using namespace tl;
using namespace tl::bench;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

void wait_seconds(double seconds) { ::poll(nullptr, 0, static_cast<int>(seconds * 1000)); }

// bpftrace with one script, attached once its program is in the kernel.
class Bpftrace {
 public:
  explicit Bpftrace(const std::string& script, const std::filesystem::path& output = "/dev/null")
      : before_{programs(is_tracepoint)}, child_{start(script, output)} {
    if (!test::eventually([&] { return !program_ids().empty(); }, 20s))
      throw MachineError{"bpftrace: did not attach"};
    wait_seconds(0.3);
  }
  ~Bpftrace() {
    child_.signal(SIGINT);
    child_.wait(10s);
  }
  Bpftrace(const Bpftrace&) = delete;
  Bpftrace& operator=(const Bpftrace&) = delete;
  [[nodiscard]] std::vector<std::uint32_t> program_ids() const {
    std::vector<std::uint32_t> fresh = programs(is_tracepoint);
    std::erase_if(fresh, [&](std::uint32_t id) {
      return std::find(before_.begin(), before_.end(), id) != before_.end();
    });
    return fresh;
  }

 private:
  static bool is_tracepoint(const bpf_prog_info& info) {
    return info.type == BPF_PROG_TYPE_TRACEPOINT;
  }
  static Child start(const std::string& script, const std::filesystem::path& output) {
    const UniqueFd out = open_fd(output, O_WRONLY | O_CREAT | O_TRUNC);
    ChildOptions options;
    options.stdout_fd = out.get();
    return Child{{"bpftrace", "-e", script}, options};
  }
  std::vector<std::uint32_t> before_;
  Child child_;
};

constexpr const char* kSumRx = "tracepoint:net:netif_receive_skb { @ = sum(args->len); }";
constexpr const char* kSumTx = "tracepoint:net:net_dev_start_xmit { @ = sum(args->len); }";

// A counting session on all devices of both ends.
struct Ours {
  Ours(const Fan& fan, CounterLayout layout) : session{layout} {
    points.push_back(open_point("left", NetNs::open(path_of(fan.left))));
    points.push_back(open_point("right", NetNs::open(path_of(fan.right))));
    for (CounterPoint& point : points)
      name_devices(point, session.kernel(), LoopbackPorts::ignored);
    session.start();
  }
  static std::string path_of(const NetNs& netns) {
    return fmt::format("/proc/self/fd/{}", netns.fd());
  }
  std::vector<CounterPoint> points;
  CounterSession session;
};

CounterLayout layout_of(const Fan& fan, CountedAt place, bool ports, bool count_unknown = true) {
  CounterLayout layout;
  layout.taps = place != CountedAt::trace_events;
  layout.tcx = place == CountedAt::tcx;
  layout.count_unknown = count_unknown;
  layout.device_series = static_cast<std::uint32_t>(2 * fan.pairs) + 64;
  if (ports) layout.ports = {9000, 9001};
  return layout;
}

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

// Attaches what is measured, tells the meter its programs, and keeps it attached for as long as the
// result lives.
using Attach = std::function<std::shared_ptr<void>(Meter&)>;
using Attached = std::vector<std::shared_ptr<void>>;

// One of the peers at both trace events, of which each has a program.
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

// Programs at both devices by themselves.
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

// Programs of the kernel that a function loads, by their names.
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

// A session of its own. Its programs at the trace events see that a device is counted by itself.
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

// Each alone, as in use: the first program that a packet runs through meets other caches than one
// behind it. They take turns on one stream.
void measure_cost(Kind kind, const std::string& place, int pairs, int busy, double seconds) {
  constexpr int kTurns = 5;
  const Fan fan{pairs};
  const std::unique_ptr<peers, void (*)(peers*)> peer{peers__open_and_load(), &peers__destroy};
  if (!peer) throw_errno("load", "the peers");
  const bool ports = place.ends_with("+ports");
  const CountedAt where = place.starts_with("taps")  ? CountedAt::tap
                          : place.starts_with("tcx") ? CountedAt::tcx
                                                     : CountedAt::trace_events;
  const bool at_events = where == CountedAt::trace_events;
  const std::string name = ports ? "ours + ports" : "ours";
  const auto ours = at_events ? std::make_shared<Ours>(fan, layout_of(fan, where, ports)) : nullptr;
  if (ours) ours->session.kernel().attach(false);
  const auto attach_peer = [&](const std::string& which, Meter& meter) {
    auto attached = std::make_shared<Attached>();
    if (at_events || which == "empty") attached->push_back(attach_at_events(which, *peer, meter));
    if (!at_events) attached->push_back(attach_at_devices(which, *peer, fan, where, meter));
    return attached;
  };
  const std::vector<Attach> in_turn{[&](Meter& meter) { return attach_peer("empty", meter); },
                                    [&](Meter& meter) { return attach_peer("minimal", meter); },
                                    [&](Meter& meter) {
                                      return at_events
                                                 ? attach_our_events(ours, name, meter)
                                                 : attach_our_own(fan, where, ports, name, meter);
                                    }};
  const UniqueFd statistics{bpf_enable_stats(BPF_STATS_RUN_TIME)};
  if (!statistics.valid()) throw_errno("switch on", "run times of programs");
  const Stream stream{fan, kind, busy};
  wait_seconds(0.3);
  Meter meter;
  const auto measure = [&](const Attach& attach, double stretch) {
    const std::shared_ptr<void> attached = attach(meter);
    wait_seconds(stretch / 8);
    meter.begin();
    wait_seconds(stretch);
    meter.end();
  };
  for (int turn = 0; turn < kTurns; ++turn)
    for (const Attach& attach : in_turn) measure(attach, seconds / kTurns);
  if (at_events && !ports) measure(attach_bpftrace, seconds);
  meter.print();
}

// Datagrams or bytes a second of the clock and of this process's CPU time, over a stretch of a
// running stream. The kernel's work for both ends is done in its threads; CPU time leaves out what
// other processes took.
struct Rate {
  double clock = 0, cpu = 0;
};

// Attaching and detaching have a while to settle.
Rate rate_of(const Stream& stream, double seconds) {
  const auto cpu_ns = [] {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
  };
  wait_seconds(seconds / 4);
  const std::int64_t begin_ns = monotonic_ns(), cpu_begin_ns = cpu_ns();
  const std::uint64_t before = stream.sent();
  wait_seconds(seconds);
  const auto sent = static_cast<double>(stream.sent() - before) * 1e9;
  return {sent / static_cast<double>(monotonic_ns() - begin_ns),
          sent / static_cast<double>(cpu_ns() - cpu_begin_ns)};
}

// The rates change from one moment to the next by more than the counters take, so many short
// stretches say more than few long ones.
struct Variant {
  std::string name;
  int pairs;  // of stretches, with and without, in a round
  double seconds;
  std::function<std::shared_ptr<void>()> attach;
};

void measure_pair(const Variant& variant, const Stream& stream, bool with_first) {
  Rate without, with;
  const auto measure_with = [&] {
    const std::shared_ptr<void> attached = variant.attach();
    with = rate_of(stream, variant.seconds);
  };
  if (with_first) measure_with();
  without = rate_of(stream, variant.seconds);
  if (!with_first) measure_with();
  // A stream that stood still for the whole stretch gives null.
  fmt::print("{}\n", json{{"program", variant.name},
                          {"kept", with.clock / without.clock},
                          {"kept_cpu", with.cpu / without.cpu}}
                         .dump());
}

// A session whose programs are attached and detached as it is wanted, which takes next to no time.
class Detached {
 public:
  Detached(const Fan& fan, CountedAt place, bool count_unknown) : fan_{fan}, place_{place} {
    programs_ = loaded_by([&] { ours_.emplace(fan, layout_of(fan, place, false, count_unknown)); });
    ours_->session.kernel().attach(false);
  }
  [[nodiscard]] std::shared_ptr<void> attach_events() {
    ours_->session.kernel().attach(true);
    return {this, [](Detached* d) { d->ours_->session.kernel().attach(false); }};
  }
  [[nodiscard]] std::shared_ptr<void> attach_at_devices() {
    if (place_ == CountedAt::tap) return attach_taps(fan_, programs_.at("tl_tap").get());
    return attach_tcx(fan_, programs_.at("tl_tcx_rx").get(), programs_.at("tl_tcx_tx").get());
  }
  [[nodiscard]] std::shared_ptr<void> attach_both() {
    return std::make_shared<Attached>(Attached{attach_events(), attach_at_devices()});
  }

 private:
  const Fan& fan_;
  CountedAt place_;
  std::optional<Ours> ours_;
  std::map<std::string, UniqueFd> programs_;
};

void measure_throughput(Kind kind, int rounds, double seconds) {
  const Fan fan{1};
  const Stream stream{fan, kind};
  Detached events{fan, CountedAt::trace_events, true};
  Detached tcx{fan, CountedAt::tcx, false}, tcx_beside{fan, CountedAt::tcx, true};
  Detached taps{fan, CountedAt::tap, false};
  const auto attach_bpftrace = [] {
    return std::make_shared<Bpftrace>(std::string{kSumRx} + kSumTx);
  };
  const int many = kind == Kind::tcp ? 128 : 16;  // two threads' rates vary most
  const double moment = seconds / 25;
  const std::vector<Variant> variants{
      {"nothing", many, moment, [] { return std::shared_ptr<void>{}; }},
      {"ours, tcx", many, moment, [&] { return tcx.attach_at_devices(); }},
      {"ours, tcx beside trace events", many, moment, [&] { return tcx_beside.attach_both(); }},
      {"ours, trace events", many, moment, [&] { return events.attach_events(); }},
      {"ours, taps", many, moment, [&] { return taps.attach_at_devices(); }},
      {"bpftrace", 1, seconds, attach_bpftrace}};
  for (int round = 0; round < rounds; ++round)
    for (const Variant& variant : variants)
      for (int i = 0; i < variant.pairs; ++i) measure_pair(variant, stream, (round + i) % 2 == 1);
}

// Leaves bpftrace.txt and ours.csv in `folder`; prints what the devices counted.
void measure_ticks(double seconds, const std::filesystem::path& folder) {
  const Fan fan{1};
  std::vector<std::jthread> load;
  for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i)
    load.emplace_back([](const std::stop_token& stop) {
      for (volatile std::uint64_t n = 0; !stop.stop_requested();) n = n + 1;
    });
  const LinkStatistics before = fan.right.run([] { return list_links().back().statistics; });
  const UniqueFd err = open_fd(folder / "ours.err", O_WRONLY | O_CREAT | O_TRUNC);
  ChildOptions options;
  options.stderr_fd = err.get();
  Child ours{{TL_PROGRAM, "counters", "container", "--netns",
              fmt::format("/proc/{}/fd/{}", ::getpid(), fan.right.fd()), "-i", "tlb0", "--format",
              "csv", "--output", (folder / "ours.csv").native()},
             options};
  {
    // The time of each tick by its own clock, and the bytes since the one before.
    const Bpftrace peer{
        "tracepoint:net:netif_receive_skb /str(args->name) == \"tlb0\"/ { @ = sum(args->len); } "
        "interval:ms:10 { printf(\"t %llu\\n\", nsecs); print(@); clear(@); }",
        folder / "bpftrace.txt"};
    if (!test::eventually(
            [&] { return read_value(folder / "ours.err").find("armed") != std::string::npos; },
            20s))
      throw MachineError{"trafficlab counters: did not arm"};
    wait_seconds(0.5);
    {
      const Stream stream{fan, Kind::udp, 1, 50'000};
      wait_seconds(seconds);
    }
    wait_seconds(0.5);
  }
  ours.signal(SIGINT);
  ours.wait(20s);
  const LinkStatistics after = fan.right.run([] { return list_links().back().statistics; });
  fmt::print("{}\n", json{{"rx_bytes", after.rx_bytes - before.rx_bytes},
                          {"rx_packets", after.rx_packets - before.rx_packets}}
                         .dump());
}

Kind kind_of(const std::string& text) {
  if (text == "tcp-by-turns") return Kind::tcp_by_turns;
  return text == "tcp" ? Kind::tcp : Kind::udp;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  try {
    if (args.size() == 6 && args[0] == "cost")
      measure_cost(kind_of(args[1]), args[2], std::stoi(args[3]), std::stoi(args[4]),
                   std::stod(args[5]));
    else if (args.size() == 4 && args[0] == "throughput")
      measure_throughput(kind_of(args[1]), std::stoi(args[2]), std::stod(args[3]));
    else if (args.size() == 3 && args[0] == "ticks")
      measure_ticks(std::stod(args[1]), args[2]);
    else
      throw UsageError{"see bench/counters/measure.cc"};
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_counters: {}\n", error.what());
    return 1;
  }
  return 0;
}
