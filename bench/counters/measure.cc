// What the counters cost, beside programs that do nothing, the least counter, and bpftrace.
// bench/counters/run.py runs this and makes the table; every line printed is one JSON object.
//
//   bench_counters cost udp|tcp (events|tcx|taps)[+ports] PAIRS BUSY SECONDS
//                                                   run times of programs that take turns on one
//                                                   stream, of UDP over BUSY of the pairs
//   bench_counters throughput udp|tcp|tcp-by-turns ROUNDS SECONDS
//                                                   with and without each, taking turns
//   bench_counters ticks SECONDS FOLDER             all CPUs oversubscribed twofold
#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "attach.hh"
#include "base/clock.hh"
#include "base/errors.hh"
#include "base/process.hh"
#include "peers.skel.h"
#include "probe/counter_points.hh"
#include "probe/counter_session.hh"
#include "support/processes.hh"
#include "support/temporary.hh"
#include "traffic.hh"

using namespace tl;
using namespace tl::bench;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

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

// What attaching to a device's hooks and detaching leave behind is felt for a tenth of a second.
constexpr double kSettleSeconds = 0.1;

Rate rate_of(const Stream& stream, double seconds) {
  const auto cpu_ns = [] {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
  };
  wait_seconds(kSettleSeconds);
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
  const std::unique_ptr<peers, void (*)(peers*)> peer{peers__open_and_load(), &peers__destroy};
  if (!peer) throw_errno("load", "the peers");
  const auto attach_peer = [&](const char* which) {
    Meter meter;
    return attach_at_events(which, *peer, meter);
  };
  const auto attach_bpftrace = [] {
    return std::make_shared<Bpftrace>(std::string{kSumRx} + kSumTx);
  };
  const int many = kind == Kind::tcp ? 20 : 8;  // two threads' rates vary most
  const double moment = seconds / 25;
  const std::vector<Variant> variants{
      {"nothing", many, moment, [] { return std::shared_ptr<void>{}; }},
      {"empty, trace events", many, moment, [&] { return attach_peer("empty"); }},
      {"minimal, trace events", many, moment, [&] { return attach_peer("minimal"); }},
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
