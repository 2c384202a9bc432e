// The counters beside other tracing, and what they cost.
#include <bpf/bpf.h>
#include <doctest/doctest.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <limits>
#include <thread>
#include <vector>

#include "base/errors.hh"
#include "support/busy_cpus.hh"
#include "support/counting.hh"
#include "support/other_tracing.hh"
#include "support/skip.hh"
#include "support/veth_pair.hh"

namespace tl::counters_tracing_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kPayloadBytes = 200;
constexpr std::uint64_t kFrameBytes = kHeaderBytes + kPayloadBytes;

// What the pair's right end receives is handled by CPU 1, in an interrupt of what runs there.
void receive_on_cpu_1(const VethPair& pair) {
  pair.right.run([] {
    const Mounted sysfs{"sysfs"};
    const UniqueFd file = open_fd(sysfs.path() / "class/net/eth0/queues/rx-0/rps_cpus", O_WRONLY);
    write_all(file.get(), "2", "rps_cpus");
  });
}

// Nanoseconds a run since `before`; the largest number when there was none.
std::uint64_t cost_ns(const ProgramFacts& before, const ProgramFacts& after) {
  if (after.runs == before.runs) return std::numeric_limits<std::uint64_t>::max();
  return (after.run_time_ns - before.run_time_ns) / (after.runs - before.runs);
}

CountedAt place_of(const CounterLayout& layout) {
  if (!layout.taps) return CountedAt::trace_events;
  return layout.tcx ? CountedAt::tcx : CountedAt::tap;
}

// What the kernel made of a program's main function, behind which it lays the others.
std::vector<std::uint8_t> main_function(int program_fd) {
  std::vector<std::uint8_t> code(1 << 16);
  std::uint32_t main_bytes = 0;
  bpf_prog_info info{};
  info.jited_prog_insns = reinterpret_cast<std::uint64_t>(code.data());
  info.jited_prog_len = static_cast<std::uint32_t>(code.size());
  info.jited_func_lens = reinterpret_cast<std::uint64_t>(&main_bytes);
  info.nr_jited_func_lens = 1;
  __u32 length = sizeof info;
  if (bpf_obj_get_info_by_fd(program_fd, &info, &length) != 0) throw_errno("read", "a program");
  code.resize(main_bytes);
  return code;
}

struct Losses {
  std::uint64_t received = 0, classic = 0, twin = 0, twin_misses = 0;
};

// Receives on CPU 1, where a thread reads a large map value over and over.
Losses lose_beside_lookups() {
  const VethPair pair;
  receive_on_cpu_1(pair);
  OtherTracing other{pair.right.inode()};
  other.attach_classic();
  other.attach_twin();
  Counting counting{{{"left", &pair.left}, {"right", &pair.right}}};
  UdpSender sender{pair, kWantedPort, kPayloadBytes};
  {
    const std::jthread lookups{[&](const std::stop_token& stop) {
      const OnCpu second{1};
      while (!stop.stop_requested()) other.read_large_value();
    }};
    const OnCpu first{0};
    for (int burst = 0; burst < 200; ++burst) {
      sender.send(50);
      std::this_thread::sleep_for(1ms);
    }
    REQUIRE(wait_quiet(counting.points(), 50ms, 10s).size() == 4);
  }
  const Counted counted = counting.finish();
  const LinkStatistics device = statistics(pair.right, "eth0");
  CHECK(counted.devices.at("left,eth0").tx_packets == sender.sent());
  CHECK(counted.devices.at("left,eth0").tx_bytes == sender.sent() * kFrameBytes);
  CHECK(counted.devices.at("right,eth0").rx_packets == device.rx_packets);
  CHECK(counted.devices.at("right,eth0").rx_bytes == device.rx_packets * kFrameBytes);
  return {device.rx_packets, other.classic_packets(), other.twin_packets(),
          other.twin_facts().recursion_misses};
}

}  // namespace

TEST_CASE(
    "T11 classic tracepoint programs lose packets while maps are read; tp_btf and taps none") {
  if (std::thread::hardware_concurrency() < 2) TL_SKIP("one CPU");
  // Trace events themselves may be missing on this kind of machine (docs/limits.md), but not
  // always; classic programs are skipped every time (trace_call_bpf, kernel/trace/bpf_trace.c).
  bool is_twin_exact = false;
  for (int attempt = 0; attempt < 10 && !is_twin_exact; ++attempt) {
    const Losses losses = lose_beside_lookups();
    CHECK(losses.received > 0);
    CHECK(losses.classic < losses.received);
    CHECK(losses.twin > losses.classic);
    CHECK(losses.twin_misses == 0);
    MESSAGE("of ", losses.received, " packets the classic program saw ", losses.classic,
            ", tp_btf ", losses.twin);
    is_twin_exact = losses.twin == losses.received;
  }
  CHECK(is_twin_exact);
}

TEST_CASE("T12 beside a program on every context switch the counts are exact") {
  const VethPair pair;
  OtherTracing other{pair.right.inode()};
  Counting counting{{{"left", &pair.left}, {"right", &pair.right}}};
  UdpSender sender{pair, kWantedPort, kPayloadBytes};
  other.attach_sched_switch();
  {
    const BusyCpus load;
    for (int burst = 0; burst < 100; ++burst) {
      sender.send(200);
      std::this_thread::sleep_for(2ms);
    }
    REQUIRE(wait_quiet(counting.points(), 50ms, 10s).size() == 4);
  }
  const Counted counted = counting.finish();  // with no missed event
  CHECK(other.switches() > 100);
  CHECK(sender.sent() == 20'000);
  for (const char* side : {"left", "right"}) {
    const CounterValues& values = counted.devices.at(std::string{side} + ",eth0");
    CHECK(values.rx_packets + values.tx_packets == sender.sent());
    CHECK(values.rx_bytes + values.tx_bytes == sender.sent() * kFrameBytes);
  }
}

TEST_CASE("T14 the cost of a run is reported beside an empty program's, which is the clock's own") {
  constexpr std::uint64_t kPackets = 5000;
  const VethPair pair;
  OtherTracing other{pair.right.inode()};
  other.attach_empty();
  CounterLayout layout = Counting::only_points();
  layout.taps = false;  // the kernel keeps these statistics of tracing programs
  Counting counting{{{"left", &pair.left}, {"right", &pair.right}}, layout};
  CounterKernel& kernel = counting.session().kernel();
  UdpSender sender{pair, kWantedPort, kPayloadBytes};
  std::int64_t with_ns = std::numeric_limits<std::int64_t>::max(), without_ns = with_ns;
  const auto send = [&](std::int64_t& least_ns) {
    const std::int64_t begin_ns = monotonic_ns();
    sender.send(kPackets);
    least_ns = std::min(least_ns, monotonic_ns() - begin_ns);
  };
  std::uint64_t ours_ns = std::numeric_limits<std::uint64_t>::max(), empty_ns = ours_ns;
  for (int round = 0; round < 10; ++round) {
    send(without_ns);
    const UniqueFd statistics{bpf_enable_stats(BPF_STATS_RUN_TIME)};
    REQUIRE(statistics.valid());
    const ProgramFacts ours = *kernel.program_facts(Hook::rx), empty = other.empty_facts();
    send(with_ns);
    const ProgramFacts ours_then = *kernel.program_facts(Hook::rx),
                       empty_then = other.empty_facts();
    CHECK(ours_then.runs > ours.runs);
    ours_ns = std::min(ours_ns, cost_ns(ours, ours_then));
    empty_ns = std::min(empty_ns, cost_ns(empty, empty_then));
  }
  MESSAGE("a run at netif_receive_skb: ", ours_ns, " ns by the kernel's statistics, of which ",
          empty_ns, " ns an empty program's; a datagram: ", without_ns / kPackets,
          " ns without and ", with_ns / kPackets, " ns with statistics");
  CHECK(empty_ns > 0);
  CHECK(ours_ns > empty_ns);
}

TEST_CASE("a closed gate counts nothing, also of devices that counted; an opened one goes on") {
  for (const char* place : {"trace events", "tap", "tcx"}) {
    CAPTURE(place);
    const VethPair pair;
    CounterLayout layout = Counting::only_points();
    layout.taps = place != std::string{"trace events"};
    layout.tcx = place == std::string{"tcx"};
    Counting counting{{{"left", &pair.left}, {"right", &pair.right}}, layout};
    REQUIRE(counting.points().at(0).counted_at.back() == place_of(layout));  // eth0, behind lo
    CounterKernel& kernel = counting.session().kernel();
    UdpSender sender{pair, kWantedPort};
    sender.send(10);
    kernel.enable(false);
    sender.send(20);
    kernel.enable(true);
    sender.send(30);
    const Counted counted = counting.finish();
    CHECK(counted.devices.at("left,eth0") == frames(0, 40));
    CHECK(counted.devices.at("right,eth0") == frames(40, 0));
  }
}

TEST_CASE("the programs at packets' trace events have no stack of their own") {
#if !defined(__x86_64__)
  TL_SKIP("knows the instructions of x86-64 alone");
#else
  for (const bool taps : {false, true}) {
    CAPTURE(taps);
    CounterLayout layout = Counting::only_points();
    layout.taps = taps;
    const VethPair pair;
    Counting counting{{{"left", &pair.left}}, layout};
    for (const Hook hook : {Hook::rx, Hook::tx}) {
      const std::vector<std::uint8_t> code =
          main_function(counting.session().kernel().program_fd(hook));
      REQUIRE(code.size() > 200);
      // add %gs:…,%r9 (emit_priv_frame_ptr, arch/x86/net/bpf_jit_comp.c)
      constexpr std::array<std::uint8_t, 5> kOwnStack{0x65, 0x4c, 0x03, 0x0c, 0x25};
      CHECK(std::search(code.begin(), code.end(), kOwnStack.begin(), kOwnStack.end()) ==
            code.end());
    }
  }
#endif
}

TEST_CASE("T14 where only tapped devices count, no program of ours runs at packets' trace events") {
  constexpr std::uint64_t kPackets = 1000;
  const VethPair pair;
  for (const bool others_count : {false, true}) {
    CounterLayout layout = Counting::only_points();
    layout.count_unknown = others_count;
    Counting counting{{{"left", &pair.left}, {"right", &pair.right}}, layout};
    const UniqueFd statistics{bpf_enable_stats(BPF_STATS_RUN_TIME)};
    REQUIRE(statistics.valid());
    UdpSender sender{pair, kWantedPort, kPayloadBytes};
    sender.send(kPackets);
    for (const Hook hook : {Hook::rx, Hook::tx})
      CHECK((counting.session().kernel().program_facts(hook)->runs > 0) == others_count);
    const Counted counted = counting.finish();
    CHECK(counted.devices.at("left,eth0").tx_bytes == kPackets * kFrameBytes);
    CHECK(counted.devices.at("right,eth0").rx_bytes == kPackets * kFrameBytes);
  }
}
}  // namespace tl::counters_tracing_test
