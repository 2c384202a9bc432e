#include "probe/ports.hh"

#include <doctest/doctest.h>

namespace tl::probe_ports_test {
using Ports = std::vector<std::uint16_t>;

TEST_CASE("a port named twice counts once, at its first place") {
  CHECK(distinct_ports({}).empty());
  CHECK(distinct_ports({80, 80}) == Ports{80});
  CHECK(distinct_ports({443, 80, 443, 22, 80}) == Ports{443, 80, 22});
}
}  // namespace tl::probe_ports_test
