// The netns engine on real namespaces: what a service gets, what it may do, and that nothing stays.
#include "lab/netns_engine.hh"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <csignal>
#include <sstream>

#include "base/errors.hh"
#include "base/fd.hh"
#include "base/netlink.hh"
#include "base/netns.hh"
#include "support/lab_run.hh"
#include "support/made_lab.hh"
#include "support/processes.hh"

namespace tl::netns_engine_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

std::string sleeper(const std::string& name, const std::string& keys) {
  return fmt::format("  {}:\n    entrypoint: [sleep, '600']\n{}", name, keys);
}

const std::string kNetworks = R"(networks:
  lab: {internal: true, ipam: {config: [{subnet: "${TRAFFICLAB_SUBNET}"}]}}
)";

MadeLab make_lab(const std::string& services) {
  return MadeLab{make_netns_engine(), "services:\n" + services + kNetworks};
}

// A field of /proc/PID/status, "CapBnd".
std::string status_field(pid_t pid, const std::string& name) {
  std::istringstream lines{read_file(fmt::format("/proc/{}/status", pid))};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  return "";
}

std::vector<std::string> device_names(pid_t pid) {
  return NetNs::of_process(pid).run([] {
    std::vector<std::string> names;
    for (const Link& link : list_links()) names.push_back(link.name);
    return names;
  });
}

}  // namespace

TEST_CASE("netns engine: services reach each other, and the host sees nothing of it") {
  const auto before = inventory();
  const std::size_t host_links = list_links().size();
  {
    MadeLab lab = make_lab(sleeper("a", "    networks: [lab]\n") +
                           "  b:\n    entrypoint: [sh, -c, 'while :; do sleep 0.05; done']\n"
                           "    networks: [lab]\n" +
                           sleeper("c", "    network_mode: none\n") +
                           sleeper("d", "    network_mode: service:a\n"));
    const std::vector<Service> services = lab.up();
    REQUIRE(services.size() == 4);
    const Service &a = find(services, "a"), &b = find(services, "b");
    CHECK(a.device == "eth0");
    CHECK(a.address != b.address);
    CHECK(device_names(a.pid) == std::vector<std::string>{"lo", "eth0"});
    CHECK(device_names(find(services, "c").pid) == std::vector<std::string>{"lo"});
    CHECK(NetNs::of_process(find(services, "d").pid).inode() == NetNs::of_process(a.pid).inode());
    const auto ping = NetNs::of_process(a.pid).run([&] {
      return run_command({"ping", "-c", "1", "-W", "2", b.address}, 10s).status;
    });
    CHECK(ping.ok());
    CHECK(list_links().size() == host_links);
    CHECK(lab.engine().down() == std::vector<std::string>{});
  }
  CHECK(eventually([&] { return added(before, inventory()).empty(); }, 5s));
}

TEST_CASE("netns engine: a service has the user and the capabilities that its file gives it") {
  MadeLab lab = make_lab(
      sleeper("plain", "    user: '65534:65533'\n    cap_drop: [ALL]\n    networks: [lab]\n") +
      sleeper("root", "    cap_drop: [ALL]\n    cap_add: [NET_ADMIN, CAP_SYS_PTRACE]\n") +
      sleeper("usual", "    cap_drop: [NET_RAW]\n"));
  const std::vector<Service> services = lab.up();
  const pid_t plain = find(services, "plain").pid;
  CHECK(status_field(plain, "Uid") == "65534\t65534\t65534\t65534");
  CHECK(status_field(plain, "Gid") == "65533\t65533\t65533\t65533");
  CHECK(status_field(plain, "Groups").find_first_not_of(' ') == std::string::npos);
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
    CHECK(status_field(plain, set) == "0000000000000000");
  constexpr std::uint64_t kNetAdmin = 1ULL << 12, kSysPtrace = 1ULL << 19;
  const std::string expected = fmt::format("{:016x}", kNetAdmin | kSysPtrace);
  for (const char* set : {"CapPrm", "CapEff", "CapBnd"})
    CHECK(status_field(find(services, "root").pid, set) == expected);
  constexpr std::uint64_t kDockerDefault = 0xa80425fb, kNetRaw = 1ULL << 13;
  CHECK(status_field(find(services, "usual").pid, "CapBnd") ==
        fmt::format("{:016x}", kDockerDefault & ~kNetRaw));
}

TEST_CASE("netns engine: exit codes, signals, environment and logs are those of the service") {
  MadeLab lab = make_lab(
      "  a:\n    entrypoint: [sh, -c]\n    command: ['echo \"$$WORD\"; echo err >&2; exit 7']\n"
      "    environment: {WORD: hello}\n" +
      sleeper("b", ""));
  (void)lab.up();
  CHECK(lab.wait("a").status.code == 7);
  CHECK(lab.log("a") == "hello\nerr");
  CHECK_FALSE(lab.engine().ended("b").has_value());
  lab.engine().signal("b", SIGINT);
  CHECK(lab.wait("b").status.signal == SIGINT);
  lab.engine().signal("b", SIGINT);  // nothing happens
}

TEST_CASE(
    "netns engine: a service gets nothing of the controller's environment, and may use any port") {
  REQUIRE(::setenv("TL_TEST_SECRET", "not for services", 1) == 0);
  MadeLab lab = make_lab(
      "  a:\n    entrypoint: [sh, -c]\n    user: '65534:65534'\n"
      "    command: ['env; cat /proc/sys/net/ipv4/ip_unprivileged_port_start']\n"
      "    environment: {WORD: hello}\n    networks: [lab]\n");
  (void)lab.up();
  REQUIRE(::unsetenv("TL_TEST_SECRET") == 0);
  CHECK(lab.wait("a").status.ok());
  const std::string log = lab.log("a");
  CHECK(log.find("SECRET") == std::string::npos);
  CHECK(log.find("WORD=hello") != std::string::npos);
  CHECK(log.find("PATH=") != std::string::npos);
  CHECK(log.ends_with("\n0"));
}

TEST_CASE("netns engine: four labs stand at once, each by itself") {
  const std::string services =
      sleeper("a", "    networks: [lab]\n") + sleeper("b", "    networks: [lab]\n");
  MadeLab labs[] = {make_lab(services), make_lab(services), make_lab(services), make_lab(services)};
  std::vector<std::string> addresses;
  for (MadeLab& lab : labs) addresses.push_back(find(lab.up(), "a").address);
  std::sort(addresses.begin(), addresses.end());
  CHECK(std::adjacent_find(addresses.begin(), addresses.end()) == addresses.end());
  (void)labs[0].engine().down();
  CHECK_FALSE(labs[1].engine().ended("a").has_value());
}

TEST_CASE("netns engine: what cannot be started leaves nothing") {
  const auto before = inventory();
  MadeLab absent =
      make_lab(sleeper("a", "    networks: [lab]\n") + "  b:\n    entrypoint: [no-such-program]\n");
  CHECK_THROWS_WITH_AS((void)absent.up(), doctest::Contains("no-such-program"), MachineError);
  MadeLab wrong = make_lab(sleeper("a", "    privileged: true\n"));
  CHECK_THROWS_WITH_AS((void)wrong.up(),
                       doctest::Contains("compose.yaml:4: service a: key 'privileged'"),
                       UsageError);
  CHECK(eventually(
      [&] {
        const auto left = added(before, inventory());
        // The labs' own journals are still there.
        return std::all_of(left.begin(), left.end(),
                           [](const std::string& line) { return line.starts_with("journal "); });
      },
      5s));
}

TEST_CASE("netns engine: an idle lab carries no packet at all") {
  MadeLab lab =
      make_lab(sleeper("a", "    networks: [lab]\n") + sleeper("b", "    networks: [lab]\n"));
  const std::vector<Service> services = lab.up();
  const auto packets = [&](const std::string& name) {
    return NetNs::of_process(find(services, name).pid).run([] {
      std::uint64_t sum = 0;
      for (const Link& link : list_links())
        sum += link.statistics.rx_packets + link.statistics.tx_packets;
      return sum;
    });
  };
  // Duplicate address detection and router solicitations would come within this time.
  CHECK_FALSE(eventually([&] { return packets("a") + packets("b") > 0; }, 2500ms));
}
}  // namespace tl::netns_engine_test
