// Which subnets a host takes: in a namespace of the test's own.
#include "lab/subnet.hh"

#include <doctest/doctest.h>

#include "base/netns.hh"
#include "base/process.hh"

namespace tl::subnet_test {
TEST_CASE("a subnet that the host has an address in or a route to is not chosen") {
  const NetNs host = NetNs::create();
  host.run([] {
    const auto ip = [](const std::string& commands) {
      must_run({"ip", "-batch", "-"}, std::chrono::seconds{10}, commands);
    };
    CHECK(free_subnet(local_subnets()).text() == "198.18.0.0/28");
    ip("link add tl-x type bridge\nlink set tl-x up\naddr add 198.18.0.1/28 dev tl-x\n");
    CHECK(free_subnet(local_subnets()).text() == "198.18.0.16/28");
    ip("route add 198.18.0.16/28 dev tl-x\nroute add 198.18.0.32/28 dev tl-x table 99\n");
    CHECK(free_subnet(local_subnets()).text() == "198.18.0.48/28");
    ip("addr add 198.18.0.49/32 dev tl-x\n");
    CHECK(free_subnet(local_subnets()).text() == "198.18.0.64/28");
    ip("route add default dev tl-x\n");
    CHECK(free_subnet(local_subnets()).text() == "198.18.0.64/28");
  });
}
}  // namespace tl::subnet_test
