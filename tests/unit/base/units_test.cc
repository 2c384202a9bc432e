#include "base/units.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"

namespace tl::base_units_test {
using namespace std::chrono_literals;

TEST_CASE("durations are read with every unit, and a bare number is seconds") {
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("10") == 10s);
  CHECK(parse_duration("1.5s") == 1500ms);
  CHECK(parse_duration("100us") == 100us);
  CHECK(parse_duration("5m") == 5min);
  CHECK(parse_duration("1h") == 1h);
  CHECK(parse_duration("0.000000001") == 1ns);
}

TEST_CASE("durations that mean nothing are refused") {
  for (const char* text : {"", "0", "-1s", "1e9h", "10 s", "1.2.3s", "5d", "s", "1.", ".5.",
                           "99999999999999999999", "9000h", "1.5ns"}) {
    CAPTURE(text);
    CHECK_THROWS_AS((void)parse_duration(text), UsageError);
  }
}

TEST_CASE("what format_duration writes, parse_duration reads back") {
  for (const auto d : {1ns, 999ns, 1500ns, 10'000'000ns, 60'000'000'000ns})
    CHECK(parse_duration(format_duration(d)) == d);
  CHECK(format_duration(10ms) == "10ms");
  CHECK(format_duration(60s) == "60s");
}

TEST_CASE("rates are decimal and sizes are binary") {
  CHECK(parse_bitrate("10M") == 10'000'000);
  CHECK(parse_bitrate("0") == 0);
  CHECK(parse_bitrate("1.5G") == 1'500'000'000);
  CHECK(parse_bytes("32M") == 32ULL << 20);
  CHECK_THROWS_AS((void)parse_bitrate("10Mbit"), UsageError);
  CHECK_THROWS_AS((void)parse_integer("70000", 1, 65535, "port"), UsageError);
  CHECK_THROWS_WITH((void)parse_integer("x", 1, 65535, "port"),
                    "port 'x': expected a whole number from 1 to 65535");
}
}  // namespace tl::base_units_test
