#include "lab/subnet.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"

namespace tl::lab_subnet_test {
TEST_CASE("the first free subnet skips what is taken, whatever its size") {
  CHECK(free_subnet({}).text() == "198.18.0.0/28");
  CHECK(free_subnet({parse_subnet("198.18.0.0/28")}).text() == "198.18.0.16/28");
  CHECK(free_subnet({parse_subnet("198.18.0.0/24")}).text() == "198.18.1.0/28");
  CHECK(free_subnet({parse_subnet("198.18.0.4/30")}).text() == "198.18.0.16/28");
  CHECK_THROWS_AS((void)free_subnet({parse_subnet("198.16.0.0/12")}), MachineError);
}

TEST_CASE("addresses count from the subnet's base") {
  CHECK(parse_subnet("198.18.0.16/28").address(2) == "198.18.0.18");
  CHECK(parse_subnet("198.18.255.255/16").text() == "198.18.0.0/16");
  CHECK_THROWS_AS((void)parse_subnet("198.18.0.0"), UsageError);
  CHECK_THROWS_AS((void)parse_subnet("x/28"), UsageError);
}
}  // namespace tl::lab_subnet_test
