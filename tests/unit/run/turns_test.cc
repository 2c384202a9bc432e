#include "run/turns.hh"

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>
#include <string>

namespace tl::run_turns_test {
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
  CHECK(alternating(0, 2)[3].round == 1);
}

TEST_CASE("repetitions begin with the warm-ups, which are marked") {
  CHECK(order(repeated(2, 3)) == "aaAAA");
  CHECK(repeated(2, 3).back().round == 2);
}

TEST_CASE("a matrix has every arm once a round, in an order that the seed alone decides") {
  const std::vector<Turn> turns = randomised(5, 2, 20, 1);
  REQUIRE(turns.size() == 102);
  CHECK(turns[0].is_warmup);
  CHECK(turns[1].is_warmup);
  CHECK(turns[0].arm == turns[2].arm);  // the warm-ups warm up what comes next
  std::set<std::string> orders;
  for (std::size_t round = 0; round < 20; ++round) {
    std::set<std::size_t> arms;
    std::string text;
    for (std::size_t i = 0; i < 5; ++i) {
      const Turn& turn = turns[2 + round * 5 + i];
      CHECK(turn.round == round);
      arms.insert(turn.arm);
      text += std::to_string(turn.arm);
    }
    CHECK(arms.size() == 5);
    orders.insert(text);
  }
  CHECK(orders.size() > 10);
  CHECK(order(randomised(5, 2, 20, 1)) == order(turns));
  CHECK(order(randomised(5, 2, 20, 2)) != order(turns));
  CHECK(order(randomised(4, 0, 2, 7)) == "BCADBACD");  // on every machine
}

TEST_CASE("over many rounds every arm is first about equally often") {
  std::vector<int> first(4);
  const std::vector<Turn> turns = randomised(4, 0, 4000, 3);
  for (std::size_t i = 0; i < turns.size(); i += 4) ++first[turns[i].arm];
  for (const int count : first) CHECK(std::abs(count - 1000) < 150);  // five deviations
}
}  // namespace tl::run_turns_test
