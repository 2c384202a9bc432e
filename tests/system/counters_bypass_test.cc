// Frames that no counter can see: the program finds that they are missing, and says where and how
// many.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "support/counters_process.hh"
#include "support/counting.hh"
#include "support/datagrams.hh"
#include "support/processes.hh"
#include "support/skip.hh"
#include "support/star.hh"

namespace tl::counters_bypass_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t kPort = 9000;
constexpr const char* kRight = "198.18.0.2";

// A frame of kFrame bytes from the left end to the right end, of a protocol that nobody takes.
std::string raw_frame() {
  std::string frame(kFrame, '\0');
  frame.replace(0, 14, std::string{"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x88\xb5", 14});
  return frame;
}

// Sends frames through a packet socket, as traffic generators do.
void send_frames(const NetNs& netns, bool bypasses_queue, int count) {
  netns.run([&] {
    const UniqueFd socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
    const int bypass = bypasses_queue ? 1 : 0;
    REQUIRE(::setsockopt(socket.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof bypass) ==
            0);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    const std::string frame = raw_frame();
    for (int i = 0; i < count; ++i)
      REQUIRE(::sendto(socket.get(), frame.data(), frame.size(), 0,
                       reinterpret_cast<const sockaddr*>(&to),
                       sizeof to) == static_cast<ssize_t>(frame.size()));
  });
}

bool says(const Counters& counters, const std::string& part) {
  return counters.errors().find(part) != std::string::npos;
}

// An XDP program that decides the same for every frame, on eth0 of a namespace.
void attach_xdp(const NetNs& netns, std::int32_t verdict) {
  const std::array<bpf_insn, 2> program{
      {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, verdict}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}}};
  const UniqueFd fd{::bpf_prog_load(BPF_PROG_TYPE_XDP, "verdict", "GPL", program.data(),
                                    program.size(), nullptr)};
  REQUIRE(fd.valid());
  netns.run([&] {
    const int ifindex = static_cast<int>(::if_nametoindex("eth0"));
    REQUIRE(::bpf_xdp_attach(ifindex, fd.get(), 0, nullptr) == 0);
  });
}

}  // namespace

TEST_CASE("T47 a sender that bypasses the queues: the gap is found, and named with its size") {
  const VethPair pair;
  Counters counters{points(pair, {"container"})};
  send_frames(pair.left, true, 300);
  CHECK(counters.end().code == 3);
  const Sums sums = sums_of(counters.file());
  const CounterValues &a = sums.series.at(last_part(pair.left)),
                      &b = sums.series.at(last_part(pair.right));
  CHECK(a.tx_packets == 0);
  CHECK(b.rx_packets == 300);
  CHECK(b.rx_bytes == 300 * kFrame);
  CHECK(statistics(pair.left, "eth0").tx_packets == 300);
  CHECK(says(counters, last_part(pair.left) + " eth0: sent at least 300 packets"));
  CHECK_FALSE(says(counters, last_part(pair.right) + " eth0:"));
}

TEST_CASE("T47 the same sender through the queues: both ends equal, nothing to report") {
  const VethPair pair;
  Counters counters{points(pair, {"container"})};
  send_frames(pair.left, false, 300);
  CHECK(counters.end().ok());
  const Sums sums = sums_of(counters.file());
  CHECK(sums.series.at(last_part(pair.left)).tx_packets == 300);
  CHECK(sums.series.at(last_part(pair.left)).tx_bytes == 300 * kFrame);
  CHECK(sums.series.at(last_part(pair.right)).rx_packets == 300);
  CHECK_FALSE(says(counters, "eth0:"));
}

TEST_CASE("T47 counting that begins and ends amid traffic finds no gap where there is none") {
  const VethPair pair;
  UdpSender sender{pair, kPort};
  sender.flood(20'000);
  for (int i = 0; i < 3; ++i) {
    Counters counters{points(pair, {"container"})};
    const std::uint64_t begin = sender.sent();
    CHECK(eventually([&] { return sender.sent() > begin + 2000; }, 10s));
    CHECK(counters.end().ok());
    CHECK_FALSE(says(counters, "eth0:"));
    CHECK(sums_of(counters.file()).series.at(last_part(pair.left)).tx_packets >= 2000);
  }
}

TEST_CASE("T48 pktgen: the gap is found, and named with its size") {
  const VethPair pair;
  const auto command = [](const std::string& file, const std::string& text) {
    const std::string path = "/proc/thread-self/net/pktgen/" + file;
    write_all(open_fd(path, O_WRONLY).get(), text + "\n", path);
  };
  if (!pair.left.run([] { return std::filesystem::exists("/proc/thread-self/net/pktgen"); }))
    TL_SKIP("the kernel has no pktgen (CONFIG_NET_PKTGEN)");
  Counters counters{points(pair, {"container"})};
  pair.left.run([&] {
    command("kpktgend_0", "add_device eth0");
    for (const char* setting : {"count 300", "pkt_size 138", "dst 198.18.0.2",
                                "dst_mac 02:00:00:00:00:02", "udp_dst_min 9000"})
      command("eth0", setting);
    command("pgctrl", "start");  // returns when it is done
  });
  CHECK(counters.end().code == 3);
  CHECK(sums_of(counters.file()).series.at(last_part(pair.left)).tx_packets == 0);
  CHECK(sums_of(counters.file()).series.at(last_part(pair.right)).rx_packets == 300);
  CHECK(says(counters, last_part(pair.left) + " eth0: sent at least 300 packets"));
}

TEST_CASE("T50 an XDP program that drops: sent is counted, received is not, and it is said why") {
  const VethPair pair;
  attach_xdp(pair.right, XDP_DROP);
  Counters counters{points(pair, {"container"})};
  UdpSource{pair.left}.send(kRight, kPort, kPayload, 200);
  CHECK(eventually([&] { return statistics(pair.right, "eth0").rx_packets == 200; }, 5s));
  CHECK(counters.end().ok());
  const Sums sums = sums_of(counters.file());
  CHECK(sums.series.at(last_part(pair.left)).tx_packets == 200);
  CHECK(sums.series.at(last_part(pair.left)).tx_bytes == 200 * kFrame);
  CHECK(sums.series.at(last_part(pair.right)).rx_packets == 0);
  CHECK(says(counters, last_part(pair.right) + " eth0: has an XDP program"));
  CHECK_FALSE(says(counters, last_part(pair.left) + " eth0:"));
}

TEST_CASE("T50 an XDP program that sends back: what it sent is found, and named with its size") {
  const VethPair pair;
  attach_xdp(pair.left, XDP_PASS);  // or its end of the pair takes no frames from XDP
  attach_xdp(pair.right, XDP_TX);
  Counters counters{points(pair, {"container"})};
  UdpSource{pair.left}.send(kRight, kPort, kPayload, 200);
  CHECK(eventually([&] { return statistics(pair.left, "eth0").rx_packets == 200; }, 5s));
  CHECK(counters.end().code == 3);
  const Sums sums = sums_of(counters.file());
  CHECK(sums.series.at(last_part(pair.left)).tx_packets == 200);
  CHECK(sums.series.at(last_part(pair.left)).rx_packets == 200);
  CHECK(sums.series.at(last_part(pair.right)).tx_packets == 0);
  CHECK(says(counters, last_part(pair.right) + " eth0: has an XDP program"));
  CHECK(says(counters, last_part(pair.right) + " eth0: sent at least 200 packets"));
}
}  // namespace tl::counters_bypass_test
