// Which devices are counted at their traffic-control hooks, and that they count there what the
// driver gets, whoever else has programs at the same hooks.
#include <bpf/bpf.h>
#include <doctest/doctest.h>
#include <linux/bpf.h>
#include <net/if.h>

#include "base/errors.hh"
#include "support/counters_process.hh"
#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/star.hh"

namespace tl::counters_tcx_test {
using namespace tl::test;

namespace {

constexpr const char* kRight = "198.18.0.2";
constexpr std::uint64_t kDatagrams = 50, kSuperPackets = 5, kSegments = 4;

std::string place_of(const Counted& counted, std::size_t point) {
  for (const auto& device : counted.points.at(point).at("devices"))
    if (device.at("name") == "eth0") return device.at("counted_at");
  return "nowhere";
}

// Sends both kinds of packets and checks that each end's counts are its device's own.
Counted talk_and_check(const VethPair& pair) {
  const LinkStatistics left = statistics(pair.left, "eth0"), right = statistics(pair.right, "eth0");
  Counting counting{{{"a", &pair.left}, {"b", &pair.right}}};
  {
    UdpSender sender{pair, kWantedPort};
    sender.send(kDatagrams);
    for (std::uint64_t i = 0; i < kSuperPackets; ++i) sender.send_super_packet(kSegments);
    wait_quiet(counting.points(), std::chrono::milliseconds{50}, std::chrono::seconds{5});
  }
  Counted counted = counting.finish();
  const CounterValues &a = counted.devices.at("a,eth0"), &b = counted.devices.at("b,eth0");
  CHECK(statistics(pair.left, "eth0").tx_packets - left.tx_packets == a.tx_packets);
  CHECK(statistics(pair.left, "eth0").tx_bytes - left.tx_bytes == a.tx_bytes);
  CHECK(statistics(pair.right, "eth0").rx_packets - right.rx_packets == b.rx_packets);
  CHECK(statistics(pair.right, "eth0").rx_bytes - right.rx_bytes == b.rx_bytes);
  CHECK(a.tx_packets == b.rx_packets);
  return counted;
}

// A program of somebody else that drops every packet, at one hook of a device.
class Dropper {
 public:
  // `hook`: BPF_TCX_INGRESS or BPF_TCX_EGRESS.
  Dropper(const NetNs& netns, const char* device, int hook) {
    constexpr std::int32_t kTcxDrop = 2;  // TCX_DROP
    const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, kTcxDrop},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    program_ = UniqueFd{
        ::bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "dropper", "GPL", code, std::size(code), nullptr)};
    if (!program_.valid()) throw_errno("load", "a program that drops");
    link_ = netns.run([&] {
      return UniqueFd{::bpf_link_create(program_.get(), static_cast<int>(::if_nametoindex(device)),
                                        static_cast<bpf_attach_type>(hook), nullptr)};
    });
    if (!link_.valid()) throw_errno("attach", "a program that drops");
  }
  static constexpr int kIngress = 46, kEgress = 47;

 private:
  UniqueFd program_, link_;
};

}  // namespace

TEST_CASE("a device that may queue, drop or segment in front of its driver has a tap, exactly") {
  const VethPair plain;
  CHECK(place_of(talk_and_check(plain), 0) == "tcx");
  const std::vector<std::pair<std::string, std::string>> obstacles{
      {"tc", "qdisc add dev eth0 root pfifo limit 1000"},
      {"tc", "qdisc add dev eth0 root tbf rate 1gbit burst 100k limit 1m"},
      {"tc", "qdisc add dev eth0 clsact"},
      {"ip", "link set eth0 gso_max_segs 2"},
      {"ip", "link set eth0 gso_max_size 30000"},
      {"ethtool", "-K eth0 tx-udp-segmentation off"},
      {"ethtool", "-K eth0 tx-tcp-segmentation off"},
      {"ethtool", "-K eth0 tx-checksum-ip-generic off"}};
  for (const auto& [program, words] : obstacles) {
    CAPTURE(words);
    const VethPair pair;
    run_in(pair.left, program, words);
    const Counted counted = talk_and_check(pair);
    CHECK(place_of(counted, 0) == "tap");
    CHECK(place_of(counted, 1) == "tcx");
    CHECK(counted.devices.at("b,eth0").rx_wire_packets == kDatagrams + kSuperPackets * kSegments);
  }
}

TEST_CASE("what another program drops was received before, and never sent") {
  const VethPair pair;
  const auto quiet = statistics(pair.left, "eth0");
  {
    const Dropper dropper{pair.left, "eth0", Dropper::kEgress};
    Counting counting{{{"a", &pair.left}, {"b", &pair.right}}};
    UdpSource{pair.left}.send(kRight, kWantedPort, kPayload, 30);
    const Counted counted = counting.finish();
    CHECK(place_of(counted, 0) == "tcx");
    CHECK(counted.devices.at("a,eth0") == CounterValues{});
    CHECK(statistics(pair.left, "eth0") == quiet);
  }
  const Dropper dropper{pair.right, "eth0", Dropper::kIngress};
  Counting counting{{{"a", &pair.left}, {"b", &pair.right}}};
  UdpSource{pair.left}.send(kRight, kWantedPort, kPayload, 30);
  wait_quiet(counting.points(), std::chrono::milliseconds{50}, std::chrono::seconds{5});
  const Counted counted = counting.finish();
  CHECK(counted.devices.at("a,eth0") == frames(0, 30));
  CHECK(counted.devices.at("b,eth0") == frames(30, 0));
  check_statistics(pair.right, "eth0", frames(30, 0));
}

TEST_CASE("a queue that a counted device gets meanwhile is said") {
  const VethPair pair;
  UdpSink sink{pair.right, kRight, kWantedPort};
  Counters counters{points(pair, {"container"})};
  UdpSource{pair.left}.send(kRight, kWantedPort, kPayload, 100);
  REQUIRE(sink.take(100) == 100);
  tc_in(pair.left, "qdisc add dev eth0 root pfifo");
  CHECK(counters.end().code == 3);
  CHECK(sums_of(counters.file()).series.at(last_part(pair.left)) == frames(0, 100));
  CHECK(counters.errors().find(last_part(pair.left) + " eth0: got a queue, filters or fewer") !=
        std::string::npos);
}
}  // namespace tl::counters_tcx_test
