#include "run/series.hh"

#include <doctest/doctest.h>

using namespace tl;

namespace {

std::string order(const std::vector<Turn>& turns) {
  std::string text;
  for (const Turn& turn : turns)
    text += static_cast<char>((turn.is_warmup ? 'a' : 'A') + static_cast<char>(turn.arm));
  return text;
}

}  // namespace

TEST_CASE("pairs run as AB BA AB BA after the warm-ups of both arms") {
  CHECK(order(alternating(1, 4)) == "abABBAABBA");
  CHECK(order(alternating(0, 3)) == "ABBAAB");
  CHECK(alternating(0, 2)[3].pair == 1);
}

TEST_CASE("repetitions begin with the warm-ups, which are marked") {
  CHECK(order(repeated(2, 3)) == "aaAAA");
  CHECK(repeated(2, 3).back().pair == 2);
}
