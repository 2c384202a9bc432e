#include "support/star.hh"

#include <fcntl.h>
#include <fmt/format.h>

#include <chrono>
#include <sstream>

#include "base/process.hh"
#include "support/veth_pair.hh"

namespace tl::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kHubMac = "02:00:00:00:00:fe";

std::string mac(std::size_t leaf) { return fmt::format("02:00:00:00:00:{:02x}", leaf + 1); }

}  // namespace

void run_in(const NetNs& netns, const std::string& program, const std::string& words) {
  Argv argv{program};
  std::istringstream in{words};
  for (std::string word; in >> word;) argv.push_back(word);
  netns.run([&] { must_run(argv, 10s); });
}

void ip_in(const NetNs& netns, const std::string& words) { run_in(netns, "ip", words); }
void tc_in(const NetNs& netns, const std::string& words) { run_in(netns, "tc", words); }

void set_sysctl(const NetNs& netns, const std::string& name, const std::string& value) {
  netns.run([&] {
    const std::string path = "/proc/sys/net/" + name;
    write_all(open_fd(path, O_WRONLY).get(), value, path);
  });
}

NetNs quiet_netns() {
  NetNs netns = NetNs::create();
  set_sysctl(netns, "ipv6/conf/default/disable_ipv6", "1");
  return netns;
}

std::string Star::address(std::size_t leaf) { return fmt::format("198.18.0.{}", leaf + 1); }

Star::Star(std::size_t count) : hub{quiet_netns()} {
  ip_in(hub, "link add br0 type bridge mcast_snooping 0");
  ip_in(hub, fmt::format("link set br0 address {}", kHubMac));
  ip_in(hub, fmt::format("address add {}/24 dev br0", kHubAddress));
  for (std::size_t i = 0; i < count; ++i) {
    leaves.push_back(quiet_netns());
    ip_in(hub, fmt::format("link add port{} type veth peer name eth0 address {} "
                           "netns {}",
                           i, mac(i), path_of(leaves[i])));
    ip_in(hub, fmt::format("link set port{} master br0 up", i));
    ip_in(hub, fmt::format("neigh add {} lladdr {} dev br0 nud permanent", address(i), mac(i)));
  }
  ip_in(hub, "link set br0 up");
  for (std::size_t i = 0; i < count; ++i) {
    ip_in(leaves[i],
          fmt::format("address add {}/24 broadcast {} dev eth0", address(i), kBroadcast));
    ip_in(leaves[i], "link set eth0 up");
    ip_in(leaves[i],
          fmt::format("neigh add {} lladdr {} dev eth0 nud permanent", kHubAddress, kHubMac));
    for (std::size_t j = 0; j < count; ++j)
      if (j != i)
        ip_in(leaves[i],
              fmt::format("neigh add {} lladdr {} dev eth0 nud permanent", address(j), mac(j)));
  }
}

}  // namespace tl::test
