// Test 4 of the telemetry reference, the part that needs no server.
#include "live/line_protocol.hh"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace tl::live_line_protocol_test {
using namespace tl::live;

namespace {

InfluxPoint point(FieldValue value) { return {"m", {{"t", "v"}}, {{"f", std::move(value)}}, 42}; }

std::string line(const InfluxPoint& p) { return encode_point(p).line; }

}  // namespace

TEST_CASE("4 each type of field has its own form") {
  CHECK(line(point(1.5)) == "m,t=v f=1.5 42\n");
  CHECK(line(point(12.0)) == "m,t=v f=12 42\n");  // without an i: a float to InfluxDB
  CHECK(line(point(std::int64_t{12})) == "m,t=v f=12i 42\n");
  CHECK(line(point(true)) == "m,t=v f=true 42\n");
  CHECK(line(point(std::string{"a\"b\\c, d=e"})) == "m,t=v f=\"a\\\"b\\\\c, d=e\" 42\n");
}

TEST_CASE("4 doubles are written so that they read back to the same bits") {
  for (const double value : {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 123456789.123})
    CHECK(std::strtod(line(point(value)).c_str() + 8, nullptr) == value);
}

TEST_CASE("4 what is not a number is left out and counted") {
  InfluxPoint p = point(1.0);
  p.fields.emplace_back("nan", std::nan(""));
  p.fields.emplace_back("inf", std::numeric_limits<double>::infinity());
  const EncodedPoint encoded = encode_point(p);
  CHECK(encoded.line == "m,t=v f=1 42\n");
  CHECK(encoded.omitted_fields == 2);
}

TEST_CASE("4 a point without a field is refused") {
  const EncodedPoint encoded = encode_point(point(std::nan("")));
  CHECK(encoded.line.empty());
  CHECK(encoded.refused == "the point has no field");
}

TEST_CASE("4 tags are sorted and special characters escaped") {
  const InfluxPoint p{"m x,y", {{"z", "1"}, {"a=b", "c d,e"}}, {{"f g", 1.0}}, 1};
  CHECK(line(p) == "m\\ x\\,y,a\\=b=c\\ d\\,e,z=1 f\\ g=1 1\n");
}

TEST_CASE("4 texts that no server stores as they are become ones that it does, counted") {
  const auto tag = [](const std::string& value) {
    InfluxPoint p = point(1.0);
    p.tags[0].second = value;
    return encode_point(p);
  };
  CHECK(tag("a\nb\tc\rd").line == "m,t=a\\ b\\ c\\ d f=1 42\n");
  CHECK(tag("end\\").line == "m,t=end f=1 42\n");
  CHECK(tag("a\\ b").line == "m,t=a\\ b f=1 42\n");
  CHECK(tag("a\\b").line == "m,t=a\\b f=1 42\n");
  CHECK(tag("").line == "m f=1 42\n");
  CHECK(tag("end\\").changed_texts == 1);
  CHECK(tag("a\\b").changed_texts == 0);
}

TEST_CASE("4 what a server would lose silently or refuse is refused with a reason") {
  const auto refused = [](InfluxPoint p) { return encode_point(p).refused; };
  InfluxPoint p = point(1.0);
  p.measurement = "";
  CHECK(refused(p) == "the measurement has no name");
  p.measurement = "#m";
  CHECK(refused(p) == "a line that begins with # is a comment");
  p = point(1.0);
  p.tags.emplace_back("time", "x");
  CHECK(refused(p) == "a tag is named time");
  p = point(1.0);
  p.tags.emplace_back("t", "x");
  CHECK(refused(p) == "two tags have the same name");
  p = point(1.0);
  p.fields.emplace_back("f", 2.0);
  CHECK(refused(p) == "two fields have the same name");
  p = point(1.0);
  p.tags[0].second = std::string(70'000, 'x');
  CHECK(refused(p) == "measurement and tags are longer than 65535 bytes");
  p = point(1.0);
  p.time_ns = std::numeric_limits<std::int64_t>::min();
  CHECK(refused(p) == "the time is out of range");
  p = point(1.0);
  p.fields[0].first = "time";
  CHECK(refused(p) == "the point has no field");
}

TEST_CASE("5 times are rounded down to the precision, also before 1970") {
  InfluxPoint p = point(std::string{"a b 7"});
  p.time_ns = 1'700'000'000'123'456'789;
  const std::string ns = line(p);
  for (const auto& [precision, time] : {std::pair{Precision::us, "1700000000123456"},
                                        {Precision::ms, "1700000000123"},
                                        {Precision::s, "1700000000"}}) {
    CHECK(encode_point(p, precision).line == "m,t=v f=\"a b 7\" " + std::string{time} + "\n");
    CHECK(with_precision(ns + ns, precision) ==
          encode_point(p, precision).line + encode_point(p, precision).line);
  }
  p.time_ns = -1;
  CHECK(encode_point(p, Precision::s).line == "m,t=v f=\"a b 7\" -1\n");
}
}  // namespace tl::live_line_protocol_test
