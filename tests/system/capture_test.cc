// Live capture on a veth pair between two namespaces (shared/docs,
//
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>

#include <csignal>
#include <cstring>
#include <random>
#include <set>

#include "analysis/capture_reader.hh"
#include "base/clock.hh"
#include "base/fd.hh"
#include "support/capture_process.hh"
#include "support/processes.hh"
#include "support/temporary.hh"
#include "support/veth_pair.hh"

namespace tl::capture_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr int kInconclusive = 3;

Argv on(const NetNs& netns, const Argv& more = {}) {
  Argv args{"-i", "eth0", "--netns", path_of(netns)};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

void pause_for(std::chrono::milliseconds time) {
  (void)eventually([] { return false; }, time);
}

std::uint64_t number(const nlohmann::json& account, const char* key) {
  return account.at(key).get<std::uint64_t>();
}

// How many different datagram numbers of the wanted port a capture holds, and how many records.
struct Numbers {
  std::set<std::uint64_t> seen;
  std::uint64_t records = 0, largest = 0;
};
Numbers numbers_in(const std::filesystem::path& file) {
  Numbers numbers;
  CaptureReader reader = CaptureReader::open(file);
  for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
    for (const Packet& packet : batch) {
      constexpr std::size_t kDestinationPort = 36;
      if (packet.captured_bytes < kHeaderBytes + sizeof(std::uint64_t)) continue;
      if (packet.data[kDestinationPort] * 256 + packet.data[kDestinationPort + 1] != kWantedPort)
        continue;
      std::uint64_t value = 0;
      std::memcpy(&value, packet.data + kHeaderBytes, sizeof value);
      numbers.seen.insert(value);
      numbers.largest = std::max(numbers.largest, value);
      ++numbers.records;
    }
  return numbers;
}

// A tmpfs of its own, too small for a capture.
class SmallDisk {
 public:
  explicit SmallDisk(const char* size) {
    REQUIRE(::mount("tl-small", folder_.path().c_str(), "tmpfs", 0, size) == 0);
  }
  ~SmallDisk() { ::umount2(folder_.path().c_str(), MNT_DETACH); }
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "x.pcap"; }

 private:
  TemporaryFolder folder_;
};

// The files an account names, oldest first, with their packets as tcpdump counts them; removed ones
// are gone.
std::uint64_t check_files(const nlohmann::json& account, const std::filesystem::path& folder) {
  std::uint64_t written = 0, kept = 0;
  for (const nlohmann::json& file : account.at("files")) {
    written += number(file, "packets");
    const std::filesystem::path path = folder / file.at("file").get<std::string>();
    CHECK(std::filesystem::exists(path) != file.at("removed").get<bool>());
    if (file.at("removed") == true) continue;
    CHECK(tcpdump_count(path) == number(file, "packets"));
    CHECK(std::filesystem::file_size(path) == number(file, "bytes"));
    kept += number(file, "packets");
  }
  CHECK(written == number(account, "written"));
  return kept;
}

}  // namespace

TEST_CASE("R-1 50 captures stopped at random under load leave no packet unexplained") {
  const VethPair pair;
  UdpSender wanted{pair, kWantedPort}, noise{pair, kNoisePort};
  std::mt19937_64 random{std::random_device{}()};
  wanted.flood();
  noise.flood(50'000);
  std::uint64_t received = 0, drained = 0, with_drops = 0;
  const std::int64_t begin_ns = monotonic_ns();
  const std::uint64_t sent_before = wanted.sent();
  for (int i = 0; i < 50; ++i) {
    CAPTURE(i);
    const TemporaryFolder folder;
    const Argv args = on(i % 2 == 0 ? pair.left : pair.right,
                         {"--ring", i % 5 == 0 ? "256k" : "32M", "-f", "udp port 9000"});
    CaptureProcess capture{folder.path() / "x.pcap", args};
    pause_for(std::chrono::milliseconds{random() % 250});
    CHECK(capture.end(SIGTERM).ok());
    const nlohmann::json account = capture.account();
    check_account(account, capture.file());
    CHECK(tcpdump_count(capture.file(), "udp port 9000") == number(account, "written"));
    received += number(account, "received");
    drained += number(account, "drained_at_stop");
    with_drops += number(account, "kernel_dropped") > 0 ? 1 : 0;
  }
  wanted.stop();
  const double seconds = static_cast<double>(monotonic_ns() - begin_ns) / 1e9;
  MESSAGE(fmt::format(
      "{} packets received, {} drained after the stop, {} captures with drops, {:.0f} packets/s "
      "sent",
      received, drained, with_drops, static_cast<double>(wanted.sent() - sent_before) / seconds));
  CHECK(received > 50'000);
}

TEST_CASE("R-1 with a paused reader and a 1 MiB ring, written and dropped are what was sent") {
  const VethPair pair;
  const TemporaryFolder folder;
  UdpSender sender{pair, kWantedPort};
  CaptureProcess capture{folder.path() / "x.pcap", on(pair.left, {"--ring", "1M"})};
  capture.child().signal(SIGSTOP);
  REQUIRE(eventually(
      [&] {
        const std::string state = read_value(fmt::format("/proc/{}/stat", capture.child().pid()));
        return state.find(") T ") != std::string::npos;
      },
      5s));
  sender.send(30'000);
  capture.child().signal(SIGCONT);
  CHECK(capture.end(SIGTERM).ok());
  const nlohmann::json account = capture.account();
  check_account(account, capture.file());
  CHECK(number(account, "written") + number(account, "kernel_dropped") == 30'000);
  CHECK(number(account, "kernel_dropped") > 0);
  CHECK(number(account, "written") > 4'000);
  CHECK(number(account, "ring_full_times") >= 1);
  CHECK(number(account, "ring_bytes") == 1 << 20);
}

TEST_CASE("R-2 a sender between armed and SIGTERM is captured to the packet, filter on or off") {
  const VethPair pair;
  for (const bool filtered : {true, false}) {
    for (int i = 0; i < 5; ++i) {
      CAPTURE(filtered);
      CAPTURE(i);
      const TemporaryFolder folder;
      UdpSender sender{pair, kWantedPort}, noise{pair, kNoisePort};
      noise.flood(100'000);
      Argv args = on(pair.left);
      if (filtered) args.insert(args.end(), {"-f", "udp dst port 9000"});
      CaptureProcess capture{folder.path() / "x.pcap", args};
      sender.send(20'000);
      CHECK(capture.end(SIGTERM).ok());
      noise.stop();
      const nlohmann::json account = capture.account();
      check_account(account, capture.file());
      CHECK(number(account, "kernel_dropped") == 0);
      const Numbers numbers = numbers_in(capture.file());
      CHECK(numbers.records == 20'000);
      CHECK(numbers.seen.size() == 20'000);
      CHECK(numbers.largest == 19'999);
      if (filtered) CHECK(number(account, "bytes") == 20'000 * (kHeaderBytes + 100));
      if (filtered) CHECK(number(account, "written") == 20'000);
    }
  }
}

TEST_CASE("R-2 without a filter both directions equal the device's own statistics") {
  const VethPair pair;
  const TemporaryFolder folder;
  UdpSender sender{pair, kWantedPort};
  CaptureProcess left{folder.path() / "left.pcap", on(pair.left)};
  CaptureProcess right{folder.path() / "right.pcap", on(pair.right)};
  sender.send(1'000);
  for (int i = 0; i < 10; ++i) sender.send_super_packet(20);
  for (CaptureProcess* capture : {&left, &right}) {
    CHECK(capture->end(SIGTERM).ok());
    const nlohmann::json account = capture->account();
    check_account(account, capture->file());
    CHECK(account.at("statistics_are_exact") == true);
    for (const char* side : {"rx", "tx"}) {
      CAPTURE(side);
      const auto change = [&](const std::string& what) {
        return number(account.at("statistics_after"), (side + what).c_str()) -
               number(account.at("statistics_before"), (side + what).c_str());
      };
      CHECK(number(account.at(side), "bytes") == change("_bytes"));
      CHECK(number(account.at(side), "packets") == change("_packets"));
    }
    CHECK(number(account, "over_mtu_packets") == 10);
    CHECK(number(account, "over_mtu_bytes") == 10 * (kHeaderBytes + 20 * 100));
  }
  CHECK(number(left.account().at("tx"), "packets") == 1'010);
  CHECK(number(left.account().at("rx"), "packets") == 0);
  CHECK(number(right.account().at("rx"), "packets") == 1'010);
}

TEST_CASE("R-2 on lo every packet is captured once") {
  const NetNs netns = NetNs::create();
  const TemporaryFolder folder;
  CaptureProcess capture{folder.path() / "x.pcap", {"-i", "lo", "--netns", path_of(netns)}};
  netns.run([] {
    const CommandResult refused = run_command({"bash", "-c", ": >/dev/tcp/127.0.0.1/9"}, 5s);
    CHECK_FALSE(refused.status.ok());
  });
  CHECK(capture.end(SIGTERM).ok());
  const nlohmann::json account = capture.account();
  check_account(account, capture.file());
  CHECK(number(account, "written") == 2);  // SYN and RST
  CHECK(number(account.at("statistics_after"), "rx_packets") == 2);
}

TEST_CASE("R-10 SIGTERM and SIGINT end a capture within 2 s with a whole file") {
  const VethPair pair;
  UdpSender sender{pair, kWantedPort};
  sender.flood();
  for (const int signal : {SIGTERM, SIGINT}) {
    CAPTURE(signal);
    const TemporaryFolder folder;
    CaptureProcess capture{folder.path() / "x.pcap", on(pair.left)};
    pause_for(300ms);
    const std::int64_t before_ns = monotonic_ns();
    CHECK(capture.end(signal).ok());
    CHECK(monotonic_ns() - before_ns < 2'000'000'000);
    check_account(capture.account(), capture.file());
    CHECK(tcpdump_count(capture.file()) == number(capture.account(), "written"));
    CHECK_FALSE(std::filesystem::exists(capture.part()));
    CHECK(capture.account().at("outcome") == "ok");
    CHECK(capture.errors().find("0 unexplained") != std::string::npos);
  }
}

TEST_CASE("R-10 after SIGKILL the unfinished file is readable to its last whole record") {
  const VethPair pair;
  const TemporaryFolder folder;
  UdpSender sender{pair, kWantedPort};
  sender.flood();
  CaptureProcess capture{folder.path() / "x.pcap", on(pair.left)};
  REQUIRE(eventually([&] { return std::filesystem::file_size(capture.part()) > 3 << 20; }, 10s));
  CHECK(capture.end(SIGKILL).signal == SIGKILL);
  CHECK_FALSE(std::filesystem::exists(capture.file()));
  const Numbers numbers = numbers_in(capture.part());
  CHECK(numbers.records > 20'000);
  const CommandResult summary =
      run_command({TL_PROGRAM, "pcap", "summary", capture.part().native()}, 30s);
  CHECK((summary.status.code == 0 || summary.status.code == 3));
  const auto account = nlohmann::json::parse(read_file(folder.path() / "x.capture.json.part"));
  CHECK(account.at("outcome") == "running");
}

TEST_CASE("R-10 a full disk ends a capture with a valid prefix and its cause") {
  const VethPair pair;
  UdpSender sender{pair, kWantedPort};
  sender.flood();
  for (const char* min_free : {"0", "2M"}) {
    CAPTURE(min_free);
    const SmallDisk disk{"size=6m"};
    CaptureProcess capture{disk.file(), on(pair.left, {"--min-free", min_free})};
    CHECK(capture.wait().code == kInconclusive);
    CHECK_MESSAGE(capture.errors().find("No space left on device") != std::string::npos,
                  capture.errors());
    CHECK_FALSE(std::filesystem::exists(capture.file()));
    const nlohmann::json account = capture.account();
    CHECK(account.at("outcome") == "partial");
    CHECK(account.at("file") == "x.pcap.part");
    CHECK(number(account, "written") > 10'000);
    check_account(account, capture.part());
  }
}

TEST_CASE("R-12 captures of two namespaces that both have eth0 stay apart") {
  const VethPair pair;
  const TemporaryFolder folder;
  const auto home = NetNs::current().inode();
  UdpSender sender{pair, kWantedPort};
  // By path, and by a process that lives in the namespace.
  ChildOptions inside;
  inside.prepare = [&] { return ::setns(pair.right.fd(), CLONE_NEWNET) == 0 ? 0 : errno; };
  Child resident{{"sleep", "60"}, inside};
  CaptureProcess left{folder.path() / "left.pcap", on(pair.left)};
  CaptureProcess right{folder.path() / "right.pcap",
                       {"-i", "eth0", "--pid", std::to_string(resident.pid())}};
  sender.send(100);
  CHECK(left.end(SIGTERM).ok());
  CHECK(right.end(SIGTERM).ok());
  const nlohmann::json a = left.account(), b = right.account();
  CHECK(a.at("netns_inode") == pair.left.inode());
  CHECK(b.at("netns_inode") == pair.right.inode());
  CHECK(number(a.at("tx"), "packets") == 100);
  CHECK(number(b.at("rx"), "packets") == 100);
  CHECK(number(a.at("statistics_after"), "tx_packets") == 100);
  CHECK(number(b.at("statistics_after"), "rx_packets") == 100);
  CHECK(NetNs::current().inode() == home);
}

TEST_CASE("R-13 rotation by packets, size and time under load: the files add up to the account") {
  const VethPair pair;
  for (const Argv& how : {Argv{"--rotate-packets", "2000"}, Argv{"--rotate-size", "200k"},
                          Argv{"--rotate-time", "100ms"}}) {
    CAPTURE(how.front());
    const TemporaryFolder folder;
    UdpSender sender{pair, kWantedPort};
    CaptureProcess capture{folder.path() / "x.pcap", on(pair.right, how)};
    sender.flood(100'000);
    pause_for(600ms);
    sender.stop();
    CHECK(capture.end(SIGTERM).ok());
    const nlohmann::json account = capture.account();
    CHECK(account.at("outcome") == "ok");
    CHECK(account.at("files").size() >= 3);
    CHECK(check_files(account, folder.path()) == sender.sent() - number(account, "kernel_dropped"));
    CHECK(number(account, "unexplained") == 0);
    // In order, each number once: nothing lost or doubled between two files.
    if (number(account, "kernel_dropped") != 0) continue;
    std::uint64_t records = 0, largest = 0;
    for (const nlohmann::json& file : account.at("files")) {
      const Numbers numbers = numbers_in(folder.path() / file.at("file").get<std::string>());
      records += numbers.records;
      largest = std::max(largest, numbers.largest);
    }
    CHECK(records == sender.sent());
    CHECK(largest + 1 == sender.sent());
  }
}

TEST_CASE("R-13 an idle link rotates by the clock, keeps the newest files, and runs the hook") {
  const VethPair pair;
  const TemporaryFolder folder;
  const std::filesystem::path hook = folder.path() / "hook";
  const std::filesystem::path log = folder.path() / "hooked";
  write_file_atomic(hook, "#!/bin/sh\nbasename \"$1\" >> '" + log.native() + "'\n");
  std::filesystem::permissions(hook, std::filesystem::perms::owner_all);
  CaptureProcess capture{folder.path() / "x.pcap",
                         on(pair.right, {"--rotate-time", "100ms", "--files", "2", "--after-rotate",
                                         hook.native(), "-d", "550ms"})};
  CHECK(capture.wait().ok());
  const nlohmann::json account = capture.account();
  CHECK(check_files(account, folder.path()) == 0);
  const std::size_t files = account.at("files").size();
  CHECK(files >= 4);
  CHECK(account.at("files").at(files - 1).at("removed") == false);
  CHECK(account.at("files").at(files - 2).at("removed") == false);
  CHECK(account.at("files").at(files - 3).at("removed") == true);
  std::string expected;
  for (const nlohmann::json& file : account.at("files"))
    expected += file.at("file").get<std::string>() + "\n";
  CHECK(read_file(log) == expected);
}

TEST_CASE("R-13 a capture ends by itself after so many packets, bytes or seconds") {
  const VethPair pair;
  const TemporaryFolder folder;
  UdpSender sender{pair, kWantedPort};
  sender.flood(50'000);
  CaptureProcess packets{folder.path() / "p.pcap", on(pair.right, {"-c", "1000"})};
  CHECK(packets.wait().ok());
  CHECK(number(packets.account(), "written") == 1000);
  CHECK(tcpdump_count(packets.file()) == 1000);
  CHECK(number(packets.account(), "discarded") == number(packets.account(), "beyond_stop"));
  CHECK(number(packets.account(), "unexplained") == 0);
  CaptureProcess bytes{folder.path() / "b.pcap", on(pair.right, {"--stop-bytes", "100k"})};
  CHECK(bytes.wait().ok());
  CHECK(std::filesystem::file_size(bytes.file()) >= (100 << 10));
  CHECK(std::filesystem::file_size(bytes.file()) < (102 << 10));
  CaptureProcess seconds{folder.path() / "s.pcap", on(pair.right, {"-d", "200ms"})};
  CHECK(seconds.wait().ok());
  CHECK(number(seconds.account(), "written") > 100);
}

TEST_CASE("R-16 an account holds the clock's offsets from armed to stopped") {
  const VethPair pair;
  const TemporaryFolder folder;
  CaptureProcess capture{folder.path() / "x.pcap", on(pair.left, {"-d", "600ms"})};
  CHECK(capture.wait().ok());
  const nlohmann::json account = capture.account();
  const nlohmann::json& clock = account.at("clock");
  CHECK(clock.at("offsets").size() >= 3);
  CHECK(clock.at("offsets").front().at("monotonic_ns") == account.at("armed_monotonic_ns"));
  CHECK(clock.at("offsets").back().at("monotonic_ns") == account.at("stopped_monotonic_ns"));
  CHECK(account.at("stopped_monotonic_ns").get<std::int64_t>() -
            account.at("armed_monotonic_ns").get<std::int64_t>() >=
        600'000'000);
}

TEST_CASE("R-17 what cannot be captured is refused in one line and leaves no file") {
  const VethPair pair;
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "x.pcap";
  const auto refused = [&](Argv argv, const Argv& args, int code, const std::string& expected) {
    argv.insert(argv.end(), {TL_PROGRAM, "capture", "-w", file.native(), "-d", "5"});
    argv.insert(argv.end(), args.begin(), args.end());
    const CommandResult result = run_command(argv, 10s);
    CHECK(result.status.code == code);
    CHECK_MESSAGE(result.err.find(expected) != std::string::npos, result.err);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(std::filesystem::is_empty(folder.path()));
  };
  refused({}, on(pair.left, {"-f", "tcp prot 80"}), 2, "filter 'tcp prot 80'");
  refused({}, {"-i", "nosuch0", "--netns", path_of(pair.left)}, 2, "device 'nosuch0'");
  refused({}, {"-i", "any"}, 2, "device 'any'");
  refused({}, {"-i", "lo", "--netns", "/no/such"}, 2, "namespace '/no/such'");
  refused({}, {"-i", "lo", "--pid", "999999999"}, 2, "process 999999999");
  refused({}, on(pair.left, {"--snaplen", "0"}), 2, "snaplen '0'");
  refused({"setpriv", "--reuid=65534", "--clear-groups"}, {"-i", "lo"}, 4, "permission denied");
  pair.left.run([] { must_run({"ip", "link", "set", "eth0", "down"}, 10s); });
  refused({}, on(pair.left), 4, "the device is down");
}

TEST_CASE("R-17 a device that vanishes ends its capture with the cause and what was there") {
  const VethPair pair;
  const TemporaryFolder folder;
  UdpSender sender{pair, kWantedPort};
  CaptureProcess capture{folder.path() / "x.pcap", on(pair.right)};
  sender.send(500);
  pair.remove();
  CHECK(capture.wait().code == kInconclusive);
  CHECK_MESSAGE(capture.errors().find("the device went away") != std::string::npos,
                capture.errors());
  CHECK_FALSE(std::filesystem::exists(capture.file()));
  const nlohmann::json account = capture.account();
  check_account(account, capture.part());
  CHECK(number(account, "written") == 500);
  CHECK(account.at("statistics_after").is_null());
}

TEST_CASE("R-17 a device that goes down and up again is captured on, and the account says so") {
  const VethPair pair;
  const TemporaryFolder folder;
  UdpSender sender{pair, kWantedPort};
  CaptureProcess capture{folder.path() / "x.pcap", on(pair.right)};
  const auto set_link = [&](const char* state) {
    pair.right.run([&] { must_run({"ip", "link", "set", "eth0", state}, 10s); });
  };
  sender.send(100);
  set_link("down");
  pause_for(100ms);
  set_link("up");
  sender.send(100);
  CHECK(capture.end(SIGTERM).ok());
  const nlohmann::json account = capture.account();
  check_account(account, capture.file());
  CHECK(account.at("outcome") == "ok");
  CHECK(account.at("device_downs") == 1);
  CHECK(numbers_in(capture.file()).seen.size() == 200);
}

TEST_CASE("the old timed capture's two arguments still work") {
  const NetNs netns = NetNs::create();
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "out.pcap";
  netns.run([&] { must_run({TL_PROGRAM, "capture", "timed", file.native(), "0.005"}, 10s); });
  const auto account = nlohmann::json::parse(read_file(folder.path() / "out.capture.json"));
  CHECK(account.at("device") == "lo");
  CHECK(account.at("filter") == "tcp port 9090");
  CHECK(account.at("stopped_ns").get<std::int64_t>() - account.at("armed_ns").get<std::int64_t>() >=
        300'000'000);
  CHECK(tcpdump_count(file) == 0);
}

TEST_CASE("capture --json prints the account on stdout") {
  const VethPair pair;
  const TemporaryFolder folder;
  Argv argv{TL_PROGRAM, "capture", "-w",    (folder.path() / "x.pcap").native(),
            "-d",       "50ms",    "--json"};
  const Argv where = on(pair.left);
  argv.insert(argv.end(), where.begin(), where.end());
  const auto account = nlohmann::json::parse(must_run(argv, 10s));
  CHECK(account == nlohmann::json::parse(read_file(folder.path() / "x.capture.json")));
}
}  // namespace tl::capture_test
