// `trafficlab pcap diff` across a router that drops by rule and segments: what it finds is what the
// kernel counted.
#include <doctest/doctest.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/netns.hh"
#include "base/process.hh"
#include "support/temporary.hh"

namespace tl::pcap_router_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr const char *kClient = "198.18.90.1", *kServer = "198.18.90.5";

void ip(const std::string& words) {
  Argv argv{"ip"};
  std::istringstream in{words};
  for (std::string word; in >> word;) argv.push_back(word);
  must_run(argv, 10s);
}

// client -- router -- server, one /30 each.
struct RoutedLab {
  RoutedLab() {
    const auto file = [](const NetNs& ns) {
      return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(ns.fd());
    };
    router.run([&] {
      ip("link add tl-rc type veth peer name tl-c netns " + file(client));
      ip("link add tl-rs type veth peer name tl-s netns " + file(server));
      ip("addr add 198.18.90.2/30 dev tl-rc");
      ip("addr add 198.18.90.6/30 dev tl-rs");
      ip("link set tl-rc up");
      ip("link set tl-rs up");
      std::ofstream{"/proc/sys/net/ipv4/ip_forward"} << "1";
      must_run({"ethtool", "-K", "tl-rs", "tso", "off", "gso", "off"}, 10s);
      must_run({"iptables", "-A", "FORWARD", "-m", "statistic", "--mode", "nth", "--every", "60",
                "--packet", "9", "-j", "DROP"},
               10s);
    });
    set_up(client, "tl-c", kClient, "198.18.90.2");
    set_up(server, "tl-s", kServer, "198.18.90.6");
  }
  static void set_up(const NetNs& ns, const std::string& device, const std::string& address,
                     const std::string& gateway) {
    ns.run([&] {
      ip("addr add " + address + "/30 dev " + device);
      ip("link set " + device + " up");
      ip("route add default via " + gateway);
    });
  }
  // Packets that the rule has dropped.
  [[nodiscard]] std::uint64_t dropped() const {
    return router.run([] {
      std::istringstream rules{must_run({"iptables", "-nvxL", "FORWARD"}, 10s)};
      std::string line;
      for (int skipped = 0; skipped < 2; ++skipped) std::getline(rules, line);
      std::uint64_t packets = 0;
      rules >> packets;
      return packets;
    });
  }
  NetNs client = NetNs::create(), router = NetNs::create(), server = NetNs::create();
};

// A program in a namespace that is ready once it has said so.
class Service {
 public:
  Service(const NetNs& ns, const Argv& argv, const std::string& ready) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    output_ = UniqueFd{ends[0]};
    UniqueFd write_end{ends[1]};
    ChildOptions options;
    options.stdout_fd = options.stderr_fd = write_end.get();
    options.prepare = [fd = ns.fd()] { return ::setns(fd, CLONE_NEWNET) == 0 ? 0 : errno; };
    child_.emplace(argv, options);
    write_end = UniqueFd{};
    std::string said;
    for (char piece[256]; said.find(ready) == std::string::npos;) {
      const ssize_t got = ::read(output_.get(), piece, sizeof piece);
      if (got <= 0) throw MachineError{argv[0] + " did not start: " + said};
      said.append(piece, static_cast<std::size_t>(got));
    }
  }
  void stop() { (void)child_->terminate(5s); }

 private:
  UniqueFd output_;
  std::optional<Child> child_;
};

Argv tap(const std::string& device, const std::string& path) {
  return {"tcpdump", "-Z",    "root", "-U",  "--immediate-mode",
          "-B",      "32768", "-s",   "128", "--time-stamp-precision=nano",
          "-i",      device,  "-w",   path,  "tcp"};
}

// Until neither file has grown for a while: everything is read out of the rings.
void settle(const std::vector<std::string>& paths) {
  const Deadline deadline{10s};
  const auto size = [&] {
    std::uintmax_t sum = 0;
    for (const std::string& path : paths) sum += std::filesystem::file_size(path);
    return sum;
  };
  std::uintmax_t before = 0;
  for (int quiet = 0; quiet < 5 && !deadline.passed();) {
    std::this_thread::sleep_for(50ms);
    quiet = size() == before ? quiet + 1 : 0;
    before = size();
  }
}

}  // namespace

TEST_CASE("pcap diff across a router: losses are those its rule counted, segments those it cut") {
  const TemporaryFolder folder;
  const RoutedLab lab;
  const std::string a = folder.path() / "client.pcap", b = folder.path() / "server.pcap";
  Service tap_a{lab.client, tap("tl-c", a), "listening on"};
  Service tap_b{lab.server, tap("tl-s", b), "listening on"};
  {
    Service iperf{lab.server, {"iperf3", "-s", "-1", "--forceflush"}, "listening on"};
    lab.client.run([] { must_run({"iperf3", "-c", kServer, "-n", "30M", "-b", "400M"}, 60s); });
    iperf.stop();
  }
  settle({a, b});
  tap_a.stop();
  tap_b.stop();

  const CommandResult result =
      run_command({TL_PROGRAM, "pcap", "diff", "--json", "--whole", a, b}, 60s);
  REQUIRE(result.status.code == 0);
  const auto json = nlohmann::json::parse(result.out);
  REQUIRE(json.at("schema") == "trafficlab.pcap.diff.exchange/1");
  REQUIRE(json.at("paths").size() == 2);
  std::uint64_t lost = 0;
  for (const auto& path : json.at("paths")) {
    const bool there = path.at("source_ip") == kClient;
    CHECK(path.at("upstream") == (there ? "A" : "B"));
    CHECK(path.at("unsent_packets") == 0);
    CHECK(path.at("duplicated_packets") == 0);
    CHECK(path.at("reversed_time_pairs") == 0);
    lost += path.at("lost_packets").get<std::uint64_t>();
    if (!there) continue;
    CHECK(path.at("a").at("segments_split") > 10);
    CHECK(path.at("b").at("segments_joined") == path.at("a").at("split_into"));
    CHECK(path.at("b").at("largest_payload_bytes") <= 1460);
    CHECK(path.at("delay").at("min_ns") > 0);
    CHECK(path.at("delay").at("p99_ns") < 100'000'000);
  }
  CHECK(lost > 5);
  CHECK(lost == lab.dropped());
}
}  // namespace tl::pcap_router_test
