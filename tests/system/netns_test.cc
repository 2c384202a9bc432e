#include "base/netns.hh"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/netlink.hh"
#include "base/process.hh"

namespace tl::netns_test {
using namespace std::chrono_literals;

TEST_CASE("a new namespace has its own devices and the caller stays where it was") {
  const auto before = NetNs::current().inode();
  const NetNs made = NetNs::create();
  const auto links = made.run([] { return list_links(); });
  CHECK(std::any_of(links.begin(), links.end(),
                    [](const Link& l) { return l.name == "lo" && l.is_up; }));
  CHECK(made.inode() != before);
  CHECK(NetNs::current().inode() == before);
}

TEST_CASE("device statistics read over rtnetlink equal what ip prints") {
  const NetNs made = NetNs::create();
  made.run([] {
    must_run({"ip", "link", "add", "tl-a", "type", "veth", "peer", "name", "tl-b"}, 10s);
    must_run({"ip", "link", "set", "tl-a", "up"}, 10s);
  });
  const auto links = made.run([] { return list_links(); });
  const auto veth =
      std::find_if(links.begin(), links.end(), [](const Link& l) { return l.name == "tl-a"; });
  REQUIRE(veth != links.end());
  CHECK(veth->kind == "veth");
  CHECK(veth->peer_ifindex != 0);
  CHECK(veth->mtu == 1500);
}
}  // namespace tl::netns_test
