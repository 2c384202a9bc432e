// The rate a capture with the default ring keeps up with (shared/docs: R-9).
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "analysis/capture_reader.hh"
#include "base/clock.hh"
#include "support/capture_process.hh"
#include "support/processes.hh"
#include "support/veth_pair.hh"

namespace tl::capture_rate_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

// A folder in memory, so that the disk is not what is tested.
class MemoryFolder {
 public:
  MemoryFolder() { std::filesystem::create_directory(path_); }
  ~MemoryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  MemoryFolder(const MemoryFolder&) = delete;
  MemoryFolder& operator=(const MemoryFolder&) = delete;
  [[nodiscard]] std::filesystem::path file() const { return path_ / "x.pcap"; }

 private:
  std::filesystem::path path_ = fmt::format("/dev/shm/tl-test-rate-{}", ::getpid());
};

}  // namespace

TEST_CASE("R-9 by default the ring is 32 MiB of TPACKET_V3 blocks and times are nanoseconds") {
  const VethPair pair;
  const MemoryFolder folder;
  UdpSender sender{pair, kWantedPort};
  CaptureProcess capture{folder.file(), {"-i", "eth0", "--netns", path_of(pair.left)}};
  sender.send(1000);
  CHECK(capture.end(SIGTERM).ok());
  const nlohmann::json account = capture.account();
  check_account(account, capture.file());
  CHECK(account.at("ring_bytes") == 32 << 20);
  CHECK(account.at("snaplen") == 96);
  CHECK(account.at("written") == 1000);
  CaptureReader reader = CaptureReader::open(capture.file());
  CHECK(reader.format().time_unit.exponent == 9);
  bool below_microsecond = false;
  for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
    for (const Packet& packet : batch) below_microsecond |= packet.time_ns % 1000 != 0;
  CHECK(below_microsecond);
}

TEST_CASE("R-9 UDP at 300,000 packets/s and snaplen 128 is captured without loss") {
  const VethPair pair;
  const MemoryFolder folder;
  UdpSender sender{pair, kWantedPort};
  CaptureProcess capture{folder.file(),
                         {"-i", "eth0", "--netns", path_of(pair.left), "--snaplen", "128"}};
  constexpr std::uint64_t kPackets = 900'000;  // three times what the ring holds
  const std::int64_t begin_ns = monotonic_ns();
  sender.flood(300'000);
  CHECK(eventually([&] { return sender.sent() >= kPackets; }, 60s));
  sender.stop();
  const double seconds = static_cast<double>(monotonic_ns() - begin_ns) / 1e9;
  CHECK(capture.end(SIGTERM).ok());
  MESSAGE(fmt::format("{:.0f} packets/s sent", static_cast<double>(sender.sent()) / seconds));
  const nlohmann::json account = capture.account();
  check_account(account, capture.file());
  CHECK(account.at("kernel_dropped") == 0);
  CHECK(account.at("written") == sender.sent());
}
}  // namespace tl::capture_rate_test
